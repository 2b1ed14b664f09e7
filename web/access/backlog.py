"""How many images of each caller wait, as far as this process has taken them and heard what became of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from app.domain import batch_of

# A batch of which nothing was heard for so long does not count: its events were lost, or are not heard here.
FORGOTTEN_S = 900.0


class Backlog:
    """Counts by batch. Safe to share between threads.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        # Who handed the batch's images in, when it was last heard of, and how many wait.
        self._of: dict[str, tuple[str, float]] = {}
        self._waiting: Counter[str] = Counter()

    def add(self, who: str, keys: Sequence[str]) -> None:
        """Note that ``who`` has handed these images in."""
        with self._lock:
            for key in keys:
                batch = batch_of(key)
                self._of[batch] = who, self._clock()
                self._waiting[batch] += 1

    def finished(self, key: str) -> None:
        """Note that an image has its outcome."""
        batch = batch_of(key)
        with self._lock:
            if batch not in self._of:
                return
            self._waiting[batch] -= 1
            self._of[batch] = self._of[batch][0], self._clock()
            if self._waiting[batch] <= 0:
                self._drop(batch)

    def of(self, who: str) -> int:
        """Return how many images of ``who`` wait."""
        with self._lock:
            for batch in [batch for batch, (_, at) in self._of.items() if self._clock() - at > FORGOTTEN_S]:
                self._drop(batch)
            return sum(self._waiting[batch] for batch, (owner, _) in self._of.items() if owner == who)

    def _drop(self, batch: str) -> None:
        del self._of[batch], self._waiting[batch]
