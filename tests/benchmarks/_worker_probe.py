"""A worker that tells where its CPU time goes: a line on its input is a file, which it writes that to as JSON.

Parts of a task are timed in the task's own thread; everything else goes by the thread that does it.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import _probe
from _probe import timed, timed_apart
from celery.events.dispatcher import EventDispatcher

from app.aws.bucket import Bucket
from app.settings import settings
from tasks.engine import engine
from tasks.engine.openvino_runner import OpenVinoRunner
from tasks.worker.lifecycle import run_worker

# The names of threads, or what they begin with -> what they do.
THREADS = {
    "ThreadPoolExecutor": "task_threads",
    "sqs-poll": "receive",
    "sqs-outbox": "delete",
    "sqs-events": "events",
    "sqs-": "leases_and_watchdog",
    "MainThread": "celerys_loop",
    "tokio": "s3_obstores_threads",
    "probe": "probe",
}


def main() -> None:
    """Time the parts of a task, and be a worker."""
    Bucket.get = timed("s3_get", Bucket.get)  # type: ignore[method-assign]
    Bucket.put = timed("s3_put", Bucket.put)  # type: ignore[method-assign]
    OpenVinoRunner.run = timed("run", OpenVinoRunner.run)  # type: ignore[method-assign]
    engine.decode = timed("decode", engine.decode)
    # `tasks.classify` is the task; this is the module that it is in.
    module: Any = importlib.import_module("tasks.classification")
    module.announce = timed_apart("announce", module.announce)
    # Celery's own events too: that a task was received, started and done, and that the worker lives.
    EventDispatcher.send = timed_apart("send", EventDispatcher.send, "send_in_the_loop")
    _probe.begin(THREADS, "other_threads", "run_openvinos_threads")
    sys.exit(run_worker(settings()))


if __name__ == "__main__":
    main()
