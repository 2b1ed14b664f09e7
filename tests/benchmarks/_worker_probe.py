"""A worker that tells where its CPU time goes: a line on its input is a file, which it writes that to as JSON.

Parts of a task are timed in the task's own thread; everything else goes by the thread that does it.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

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

_parts: Counter[str] = Counter()
_counting = threading.Lock()


def timed(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``call`` with its thread's CPU time added to ``what``."""

    @functools.wraps(call)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        began = time.thread_time_ns()
        try:
            return call(*args, **kwargs)
        finally:
            spent = time.thread_time_ns() - began
            with _counting:
                _parts[what] += spent

    return wrapper


def spent() -> dict[str, float]:
    """Return the CPU seconds of each part and of each kind of thread so far."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    kinds: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        name = names.get(int(task.name))
        others = "other_threads" if name else "run_openvinos_threads"
        name = name or (task / "comm").read_text().strip()
        kind = next((kind for start, kind in THREADS.items() if name.startswith(start)), others)
        kinds[kind] += int((task / "schedstat").read_text().split()[0])
    with _counting:
        return {what: nanoseconds / 1e9 for what, nanoseconds in (kinds + _parts).items()}


def answer() -> None:
    """Write what was spent to each file that is named on the input."""
    for line in sys.stdin:
        file = Path(line.strip())
        file.with_suffix(".new").write_text(json.dumps(spent()))
        file.with_suffix(".new").rename(file)


def main() -> None:
    """Time the parts of a task, and be a worker."""
    Bucket.get = timed("s3_get", Bucket.get)  # type: ignore[method-assign]
    Bucket.put = timed("s3_put", Bucket.put)  # type: ignore[method-assign]
    OpenVinoRunner.run = timed("run", OpenVinoRunner.run)  # type: ignore[method-assign]
    engine.decode = timed("decode", engine.decode)
    # `tasks.classify` is the task; this is the module that it is in.
    module: Any = importlib.import_module("tasks.classification")
    module.announce = timed("announce", module.announce)
    threading.Thread(target=answer, name="probe", daemon=True).start()
    sys.exit(run_worker(settings()))


if __name__ == "__main__":
    main()
