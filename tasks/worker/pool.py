"""The threads that tasks run in: Celery's own thread pool, but that remote control can grow, shrink and renew it.

That is what Flower's pool controls and ``celery control pool_grow`` ask for; Celery's thread pool answers them with an
error. And what a thread raises is told, which Celery's forgets, with the message still held.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from celery.concurrency.thread import TaskPool

from tasks.worker.celery_internals import ExceptionInfo


class ThreadPool(TaskPool):
    """Threads whose number can change; what runs in the old ones ends there."""

    executor: ThreadPoolExecutor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._retired: list[ThreadPoolExecutor] = []

    def on_apply(self, *args: Any, error_callback: Callable[[ExceptionInfo], object], **options: Any) -> Any:
        """Run a task in a thread; ``error_callback`` is told what comes out of it, such as a MemoryError."""
        result = super().on_apply(*args, **options)
        result.f.add_done_callback(partial(_tell, error_callback))
        return result

    def grow(self, n: int = 1) -> None:
        """Have ``n`` threads more."""
        self._renew(self.limit + n)

    def shrink(self, n: int = 1) -> None:
        """Have ``n`` threads fewer.

        Raises:
            ValueError: none would be left, and the worker would hold messages for ever.
        """
        if self.limit - n < 1:
            raise ValueError(f"a pool of {self.limit} cannot shrink by {n}: one thread at least stays")
        self._renew(self.limit - n)

    def restart(self) -> None:
        """Have new threads."""
        self._renew(self.limit)

    def on_stop(self) -> None:
        """Wait for what runs, in old threads too."""
        for executor in self._retired:
            executor.shutdown(wait=True)
        super().on_stop()

    def _renew(self, limit: int) -> None:
        self._retired.append(self.executor)
        self.limit, self.executor = limit, ThreadPoolExecutor(max_workers=limit)
        self._retired[-1].shutdown(wait=False)


def _tell(error_callback: Callable[[ExceptionInfo], object], ran: Future[Any]) -> None:
    if not ran.cancelled() and (error := ran.exception()):
        error_callback(ExceptionInfo((type(error), error, error.__traceback__)))
