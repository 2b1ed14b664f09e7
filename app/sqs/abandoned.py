"""Messages that everybody has let go of without a word, noticed by the garbage collector and dealt with elsewhere.

A worker that stops drops what its pool had not begun. The collector may run in any thread, between any two steps and
under any lock; so what it calls here does no more than to put a note into a queue that is made for that.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from app.sqs import background


class Abandoned:
    """Calls back, in a thread of its own, once an object is gone."""

    def __init__(self) -> None:
        self._gone: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._stopped = threading.Event()
        background.start("sqs-abandoned", self._step, self._stopped)

    def watch(self, thing: Any, then: Callable[[], object]) -> weakref.ref[Any]:
        """Call ``then`` once nobody has ``thing`` any more; not if what this returns is let go of before."""
        return weakref.ref(thing, lambda _: self._gone.put(then))

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._gone.put(lambda: None)

    def _step(self) -> None:
        try:
            then = self._gone.get(timeout=60)
        except Empty:
            return
        then()
