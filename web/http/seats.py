"""Seats: how many requests of a kind may be held open at once, so that they never take the threads of the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from web.http.problems import Busy


class Seats:
    """A number of places, each taken until it is given back.

    Args:
        number: how many there are.
        full: what to tell who finds none.
    """

    def __init__(self, number: int, full: str) -> None:
        self._number, self._full = number, full
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Return how many are taken."""
        return self._held

    def take(self) -> None:
        """Take a seat; `release` gives it back.

        Raises:
            Busy: all are taken.
        """
        with self._lock:
            if self._held >= self._number:
                raise Busy(self._full)
            self._held += 1

    def release(self) -> None:
        """Give a seat back."""
        with self._lock:
            self._held -= 1

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a seat for the length of a ``with``."""
        self.take()
        try:
            yield
        finally:
            self.release()
