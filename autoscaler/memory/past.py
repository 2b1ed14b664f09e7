"""The past, put together: what was seen before adds to each `Observation` what it tells. Pure, as its parts are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from app.domain import Instance, QueueDepth
from autoscaler.memory.boots import Boots
from autoscaler.memory.estimate import Estimator
from autoscaler.memory.launches import Launches
from autoscaler.values import Estimates, Heard, Observation, Refusal

# After launches that were refused, in seconds; give or take a part of it.
LONGEST_PAUSE_S, JITTER = 300.0, 0.2


class Past:
    """Remembers one look after the other.

    Args:
        start: the time from which it counts, UTC.
        shortest_life_s: no worker leaves by its own will before this many seconds.
        boot_limit_s: seconds that a boot may take.
        leaves: whether a worker without work leaves by itself.
    """

    def __init__(
        self, start: datetime, shortest_life_s: float, boot_limit_s: float = 300.0, leaves: bool = True
    ) -> None:
        self._estimator = Estimator(start)
        self._launches = Launches()
        self._boots = Boots(shortest_life_s, boot_limit_s, leaves)
        self._refusal: Refusal | None = None
        self._refused = 0

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
            fleet: the instances as they are listed; those with ``heard_at`` are ready for work.
            listed_at: when they were asked for.
            heard: what workers said; where they cannot be heard, nothing is estimated.
        """
        fleet = self._launches.dated(fleet, at)
        self._estimator.hear(heard.heartbeats, at)
        estimates = Estimates() if heard.since is None else self._estimator.see(at, depth, fleet, heard.waits_s)
        gone = self._boots.see(fleet, at, depth, heard, estimates.boot_s)
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
            given_up=self._boots.given_up,
            gone=gone,
        )

    def launched(self, instances: Iterable[Instance], at: datetime) -> None:
        """Take note of instances that were launched at a time; they may be gone before the next look."""
        came = tuple(instances)
        self._launches.launched(came, at)
        self._boots.launched(self._launches.dated(came, at))
        if came:
            self._refusal, self._refused = None, 0

    def refused(self, reason: str, at: datetime, pause_s: float, chance: float = 0.5) -> None:
        """Take note that a launch was refused.

        Args:
            reason: why, in words.
            at: when.
            pause_s: seconds before the next try; twice as many for each refusal in a row.
            chance: from 0 to 1, at random: of many that were refused at once not all shall try again at once.
        """
        doubled_s = pause_s * 2 ** min(self._refused, 30)
        self._refused += 1
        self._refusal = Refusal(reason, at, min(LONGEST_PAUSE_S, doubled_s) * (1 + JITTER * (2 * chance - 1)))
