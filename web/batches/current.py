"""The batch that images go to which come one at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from app.batches.record import BatchRecord
from app.domain import new_batch_id


class CurrentBatch:
    """The batch of a process's single images: a new one each minute, so that one poll serves all who wait.

    Each owner has one of his own. Safe to share between threads.

    Args:
        begin: is handed the record of each new batch.
    """

    def __init__(self, begin: Callable[[BatchRecord], object] = lambda record: None) -> None:
        self._begin, self._lock = begin, threading.Lock()
        # The batch of each owner, and until when it is.
        self._of: dict[str, tuple[str, datetime]] = {}

    def id(self, now: datetime, owner: str = "") -> str:
        """Return the batch of the minute ``now``."""
        with self._lock:
            self._of = {owner: of for owner, of in self._of.items() if now < of[1]}
            if owner not in self._of:
                id = new_batch_id(now, os.urandom(4))
                self._begin(BatchRecord(id, owner))
                self._of[owner] = id, now + timedelta(minutes=1)
            return self._of[owner][0]
