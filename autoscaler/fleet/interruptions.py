"""When so many instances were interrupted in so short a time that spot is not worth a launch for a while. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

# For so long after the last of them launches are on demand.
REST = timedelta(hours=1)


def too_many(times: Iterable[datetime], now: datetime, count: int, window: timedelta) -> bool:
    """Return whether, within the last hour, so many interruptions came to be within one window.

    Args:
        times: of interruptions, in any order.
        now: the time.
        count: how many are too many; 0: none ever are.
        window: within how long.
    """
    found = sorted(times)
    if not count:
        return False
    pairs = zip(found, found[count - 1 :], strict=False)
    return any(last - first <= window and now - last < REST for first, last in pairs)
