"""What a queue that is never empty has no more: images stored long before all that it has given out of late."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from app.announcements import ImageClassified, ImageFailed, Said

# Slots, each as long as the queue must stand empty elsewhere.
SLOTS = 10


class Order:
    """The oldest of what was done of late, by when its message was sent. Safe to share between threads.

    SQS keeps an order by and large: who is overtaken for so long by all others waits in no queue.

    Args:
        slot_s: seconds of a slot; nothing is said unless an image was done in each of `SLOTS` in a row; 0: nothing is.
        clock: seconds, monotonic.
    """

    def __init__(self, slot_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._slot_s, self._clock = slot_s or math.inf, clock
        self._lock = threading.Lock()
        # The oldest of each slot, in seconds since 1970.
        self._oldest: dict[int, float] = {}

    @property
    def window_s(self) -> float:
        """Return for how many seconds images must have been done."""
        return SLOTS * self._slot_s

    def hear(self, said: Said) -> None:
        """Take note of one event, of any kind."""
        if not isinstance(said.what, ImageClassified | ImageFailed):
            return
        life = said.what.life
        if life is None or life.queued_at is None:
            return
        slot = self._slot()
        with self._lock:
            self._oldest[slot] = min(life.queued_at, self._oldest.get(slot, life.queued_at))
            for old in [known for known in self._oldest if known < slot - SLOTS]:
                del self._oldest[old]

    def oldest(self) -> float | None:
        """Return when the oldest of what was done in the window was sent, in seconds since 1970; None: unknown."""
        now = self._slot()
        with self._lock:
            found = [self._oldest.get(slot) for slot in range(now - SLOTS, now)]
        known = [at for at in found if at is not None]
        return min(known) if len(known) == SLOTS else None

    def _slot(self) -> int:
        return int(self._clock() // self._slot_s)
