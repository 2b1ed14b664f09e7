"""A worker's first second: its engine is loaded in a thread while Celery and AWS's clients are imported.

One that is held has imported all before it may begin, and has loaded, opened and called nothing.
"""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress
from importlib import import_module

from app.settings import Settings
from tasks.worker import memory

# What a worker imports between its beginning and its first result; from the pool on, what others import at first use.
IMPORTED = (
    "tasks.worker.lifecycle",
    "tasks.classification",
    "tasks.backend",
    "tasks.engine.precision",
    "tasks.worker.pool",
    "app.sqs.panel",
    "billiard.pool",
    "encodings.idna",
    "kombu.matcher",
    "kombu.pidbox",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
)


def run(config: Settings, *, held: bool = False) -> int:
    """Run a worker in this process until it leaves; return its exit status.

    Args:
        config: its settings.
        held: whether to begin only when a line comes on standard input, and to end when that does.
    """
    memory.keep_little()
    if held and not _let_run():
        return 0
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


def _let_run() -> bool:
    """Wait until the worker may begin, with all imported if there is time for that; return whether it may."""
    if not select.select([0], [], [], 0)[0]:
        for module in IMPORTED:
            with suppress(ImportError):  # whoever needs it says so when the worker runs
                import_module(module)
    may = bool(os.read(0, 1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return may
