"""A clock that nobody sets: it starts with the wall clock's time and then counts seconds, sleep included."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# Linux's own of the two goes on while the host is suspended, as leases and instances do.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_s() -> float:
    """Return the seconds since some moment; no setting of the clock changes their course."""
    return time.clock_gettime(_CLOCK)


class SteadyClock:
    """The time, UTC, as it was at the start and has gone on since: ages and pauses by it are true.

    Args:
        wall: the wall clock, which is read once.
        elapsed_s: seconds that no setting of the clock changes.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed_s: Callable[[], float] = elapsed_s,
    ) -> None:
        self._start, self._started_s, self._elapsed_s = wall(), elapsed_s(), elapsed_s

    def __call__(self) -> datetime:
        """Return the time."""
        return self._start + timedelta(seconds=self._elapsed_s() - self._started_s)
