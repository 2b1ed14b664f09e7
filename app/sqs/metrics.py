"""Counters of the transport, one set a process."""

from __future__ import annotations

import os
import threading
from collections import Counter


class Metrics:
    """Counts what happened, by name, and API calls by action. Safe to share between threads."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def unlock(self) -> None:
        """Make a new lock, in a process where no other thread can have the old one."""
        self._lock = threading.Lock()

    def count(self, name: str, by: int = 1) -> None:
        """Add ``by`` to the counter ``name``."""
        with self._lock:
            self._counts[name] += by

    def called(self, action: str) -> None:
        """Note one API call."""
        with self._lock:
            self._calls[action] += 1

    def snapshot(self) -> dict[str, int | dict[str, int]]:
        """Return the counts so far, such as ``received``, and under ``api_calls`` those by action."""
        with self._lock:
            return {**self._counts, "api_calls": dict(self._calls)}


metrics = Metrics()
# A child that is forked while another thread counts would find the lock held for ever.
os.register_at_fork(after_in_child=metrics.unlock)
