"""Telling the autoscaler that images wait where no worker is heard, so that it looks at once; it would look anyway."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.announcements import ImagesQueued

# The autoscaler looks about that often by itself.
PAUSE_S = 1.0


class Summons:
    """Announces that images were queued. Safe to share between threads; no upload waits for it, or fails by it.

    Args:
        send: announces it; raises nothing.
        needed: returns whether the autoscaler is to look before its time.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        send: Callable[[ImagesQueued], object],
        needed: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._announce, self._needed, self._clock = send, needed, clock
        self._lock = threading.Lock()
        self._sent_at = float("-inf")

    def send(self, count: int) -> None:
        """Announce that so many images were queued, if that is needed and was not just done. Raises nothing."""
        if not self._needed():
            return
        with self._lock:
            if self._clock() - self._sent_at < PAUSE_S:
                return
            self._sent_at = self._clock()
            self._announce(ImagesQueued(count))
