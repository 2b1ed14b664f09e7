"""The past, put together: what was seen before adds to each `Observation` what it tells. Pure, as its parts are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from app.domain import Instance, QueueDepth
from autoscaler.memory.boots import Boots
from autoscaler.memory.estimate import Estimator
from autoscaler.values import Estimates, Heard, Observation, Refusal


class Past:
    """Remembers one look after the other.

    Args:
        start: the time from which it counts, UTC.
        shortest_life_s: no worker leaves by its own will before this many seconds.
    """

    def __init__(self, start: datetime, shortest_life_s: float) -> None:
        self._estimator = Estimator(start)
        self._boots = Boots(shortest_life_s)
        self._refusal: Refusal | None = None

    def see(
        self,
        *,
        at: datetime,
        depth: QueueDepth,
        counted_at: datetime,
        fleet: tuple[Instance, ...],
        listed_at: datetime,
        heard: Heard,
    ) -> Observation:
        """Take note of one look, and return it with all that is known.

        Args:
            at: the time, UTC; what follows is part of `Observation`.
            depth: SQS's counts.
            counted_at: when they were asked for.
            fleet: the instances; those with ``heard_at`` are ready for work.
            listed_at: when they were asked for.
            heard: what workers said; where they cannot be heard, nothing is estimated.
        """
        self._estimator.hear(heard.heartbeats)
        estimates = Estimates() if heard.since is None else self._estimator.see(at, depth, fleet)
        gone = self._boots.see(fleet, at)
        return Observation(
            at=at,
            depth=depth,
            counted_at=counted_at,
            fleet=fleet,
            listed_at=listed_at,
            estimates=estimates,
            heard=heard,
            failed_boots=self._boots.failed,
            refusal=self._refusal,
            gone=gone,
        )

    def launched(self, instances: Iterable[Instance]) -> None:
        """Take note of instances that may be gone before the next look."""
        self._boots.launched(instances)

    def refused(self, reason: str, at: datetime) -> None:
        """Take note that a launch was refused."""
        self._refusal = Refusal(reason, at)
