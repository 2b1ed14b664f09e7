"""All batches, the newest first, from buckets that list the oldest first: by windows that grow into the past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from app.batches.record import made_at

# The first window, how much longer each next one is, and how many batches in one make it be divided first.
FIRST, GROWTH, MOST = timedelta(hours=1), 4, 1000
LEAST = timedelta(milliseconds=1)
# Batches that one answer looks at, whoever's they are.
LOOKED_AT = 1000

From = Callable[[str], Iterator[str]]


class Index:
    """Reads batches backwards; a year of them costs a dozen lists of S3, however many they are.

    Args:
        batches: yields the ids of batches from a text on, in their order.
    """

    def __init__(self, batches: From) -> None:
        self._batches = batches

    def newest(
        self, limit: int, now: datetime, after: str = "", wanted: Callable[[str], bool] = lambda id: True
    ) -> tuple[list[str], str]:
        """Return the ids of the newest batches, and what ``after`` is for the next ones; empty if there are none.

        Args:
            limit: how many at most.
            now: the time, UTC.
            after: the id behind which to go on; empty: at the newest.
            wanted: says which are told; the others count to `LOOKED_AT` alone.

        Raises:
            TransientError, ConfigurationError: a bucket does not answer.
        """
        found: list[str] = []
        looked_at, last = 0, ""
        for id in self._backwards(now, after):
            if len(found) == limit or looked_at == LOOKED_AT:
                return found, last
            looked_at, last = looked_at + 1, id
            if wanted(id):
                found.append(id)
        return found, ""

    def _backwards(self, now: datetime, after: str) -> Iterator[str]:
        oldest = next(self._batches(""), None)
        if oldest is None:
            return
        begin = made_at(oldest)
        upper, end, span = after or "~", made_at(after) + LEAST if after else now, FIRST
        end = max(end, begin + LEAST)
        while begin < end:
            start = end - span if span < end - begin else begin
            lower = _stamp(start)
            known = takewhile(lambda id, upper=upper: id < upper, self._batches(lower))  # type: ignore[misc]
            ids = list(islice(known, MOST + 1))
            if len(ids) > MOST and span > LEAST:
                span = max(LEAST, min(span, end - start) / GROWTH)
                continue
            # Of more than that in a millisecond, all are read.
            yield from reversed([*ids, *known])
            upper, end, span = lower, start, span * GROWTH


def _stamp(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.year:04}{at:%m%dT%H%M%S}{at.microsecond // 1000:03}Z"
