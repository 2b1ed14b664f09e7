"""Whose turn it is: the first images of a batch go before all that waits in the bulk queue, the others wait there."""

from __future__ import annotations

import threading
from collections import OrderedDict

# Of batches that were added to of late, it is remembered how many went first.
REMEMBERED = 5000


class Turns:
    """Counts by batch, in this process alone: another may let as many of the same batch go first. Safe to share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: OrderedDict[str, int] = OrderedDict()

    def first(self, batch: str, count: int, most: float) -> int:
        """Return how many of ``count`` more images of ``batch`` go first, if ``most`` of it may in all; they count."""
        with self._lock:
            before = self._first.get(batch, 0)
            more = int(max(0, min(count, most - before)))
            self._first[batch] = before + more
            self._first.move_to_end(batch)
            while len(self._first) > REMEMBERED:
                self._first.popitem(last=False)
            return more
