"""The batch that images go to which come one at a time."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta

from app.domain import new_batch_id


class CurrentBatch:
    """The batch of a process's single images: a new one each minute, so that one poll serves all who wait.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._id, self._until = "", datetime.min.replace(tzinfo=UTC)

    def id(self, now: datetime) -> str:
        """Return the batch of the minute ``now``."""
        with self._lock:
            if now >= self._until:
                self._id, self._until = new_batch_id(now, os.urandom(4)), now + timedelta(minutes=1)
            return self._id
