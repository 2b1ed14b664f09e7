"""A web process that tells where its CPU time goes: a line on its input is a file, which it writes that to as JSON.

Parts of a request are timed in the request's own thread; everything else goes by the thread that does it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import _probe
from _probe import timed
from flask import Flask

# In this folder is another module `web`; the checkout to measure comes by PYTHONPATH.
sys.path.remove(str(Path(__file__).parent))

from app.aws.bucket import Bucket
from app.cli import main
from web.http import gunicorn_worker
from web.uploads import intake, multipart, publish

# The names of threads, or what they begin with -> what they do.
THREADS = {
    "MainThread": "servers_loop",
    "ThreadPoolExecutor": "request_threads",
    "store": "store_threads",
    "streams": "streams_loop",
    "sqs-": "sends_and_events",
    "tokio": "s3_obstores_threads",
    "probe": "probe",
}


def begin() -> None:
    """Begin to answer; in gunicorn's worker, which is forked."""
    _probe.begin(THREADS, "thread {name}", "thread {name}")


def probe() -> None:
    """Time the parts of a request, and be a web process."""
    Bucket.put = timed("s3_put", Bucket.put)  # type: ignore[method-assign]
    Flask.wsgi_app = timed("flask", Flask.wsgi_app)  # type: ignore[method-assign]
    intake.check = timed("check", intake.check)
    multipart._spooled = timed("read_and_parse", multipart._spooled)
    publish.Publisher.publish = timed("publish", publish.Publisher.publish)  # type: ignore[method-assign]
    gunicorn_worker.Worker.handle = timed("requests", gunicorn_worker.Worker.handle)  # type: ignore[method-assign]
    os.register_at_fork(after_in_child=begin)
    main(["web"])


if __name__ == "__main__":
    probe()
