"""Gathers what threads hand in one by one, so that a device takes many at once."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Minibatches(Generic[Item, Answer]):
    """Calls ``run`` with the items of several callers, and gives each caller its own answer. Thread-safe.

    While ``run`` is busy, items pile up and go together next, so ``wait_s`` is only spent when there is little to do.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Answer]], *, size: int, wait_s: float) -> None:
        """Start the thread that calls ``run``.

        Args:
            run: gives an answer for each item, in order.
            size: items in one call at most.
            wait_s: seconds that an item waits for others at most, once ``run`` is free.
        """
        self._run, self._size, self._wait_s = run, size, wait_s
        self._waiting: queue.SimpleQueue[tuple[Item, Future[Answer]]] = queue.SimpleQueue()
        threading.Thread(target=self._loop, name="minibatches", daemon=True).start()

    def __call__(self, item: Item) -> Answer:
        """Return the answer for ``item``, or raise what ``run`` raises for it alone."""
        future: Future[Answer] = Future()
        self._waiting.put((item, future))
        return future.result()

    def _loop(self) -> None:
        while True:
            self._answer(self._gather())

    def _gather(self) -> list[tuple[Item, Future[Answer]]]:
        gathered = [self._waiting.get()]
        until = time.monotonic() + self._wait_s
        while len(gathered) < self._size:
            try:
                gathered.append(self._waiting.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                break
        return gathered

    def _answer(self, gathered: list[tuple[Item, Future[Answer]]]) -> None:
        try:
            answers = self._run([item for item, _ in gathered])
        except Exception as err:
            if len(gathered) == 1:
                gathered[0][1].set_exception(err)
                return
            # One item may spoil the call, and its neighbours must not suffer for it.
            for pair in gathered:
                self._answer([pair])
            return
        for (_, future), answer in zip(gathered, answers, strict=True):
            future.set_result(answer)
