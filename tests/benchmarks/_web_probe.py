"""A web process that tells where its CPU time goes: a line on its input is a file, which it writes that to as JSON.

Parts of a request are timed in the request's own thread; everything else goes by the thread that does it.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        # The main thread's number is not what it was before the fork.
        name = "MainThread" if int(task.name) == os.getpid() else names.get(int(task.name))
        name = name or (task / "comm").read_text().strip()
        kind = next((kind for start, kind in THREADS.items() if name.startswith(start)), f"thread {name}")
        kinds[kind] += int((task / "schedstat").read_text().split()[0])
    with _counting:
        return {what: nanoseconds / 1e9 for what, nanoseconds in (kinds + _parts).items()}


def answer() -> None:
    """Write what was spent to each file that is named on the input."""
    for line in sys.stdin:
        file = Path(line.strip())
        file.with_suffix(".new").write_text(json.dumps(spent()))
        file.with_suffix(".new").rename(file)


def begin() -> None:
    """Begin to answer; in gunicorn's worker, which is forked."""
    threading.Thread(target=answer, name="probe", daemon=True).start()


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
