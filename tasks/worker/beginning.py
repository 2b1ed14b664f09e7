"""A worker's first second: its engine is loaded in a thread while Celery and AWS's clients are imported."""

from __future__ import annotations

import threading
from contextlib import suppress

from app.settings import Settings
from tasks.worker import memory


def run(config: Settings) -> int:
    """Run a worker in this process until it leaves; return its exit status."""
    memory.keep_little()
    load_ahead()
    from tasks.worker.lifecycle import run_worker

    return run_worker(config)


def load_ahead() -> threading.Thread:
    """Begin to load the engine; whoever asks for it meanwhile waits for that."""
    thread = threading.Thread(target=_load, name="engine", daemon=True)
    thread.start()
    return thread


def _load() -> None:
    with suppress(Exception):  # `LoadEngine` meets it again, where it can end the worker and is said
        from tasks import engine

        engine.load()
