"""What the fleet costs, as EC2 bills it: by the second from running on, a minute at least. Pure. Days are UTC's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.domain import Instance, InstanceState

LEAST_S = 60.0
_BILLED = {InstanceState.RUNNING, InstanceState.DRAINING}


@dataclass(frozen=True, slots=True)
class Bill:
    """What was billed, in dollars.

    Attributes:
        until: up to when it is counted, UTC.
        day_usd: of that day.
        total_usd: since the autoscaler's start.
        hour_usd: an hour at the rate of now.
        each: of each instance that is there, since its launch, by its id.
        since: from when on each instance that is there is billed.
    """

    until: datetime
    day_usd: float = 0.0
    total_usd: float = 0.0
    hour_usd: float = 0.0
    each: Mapping[str, float] = field(default_factory=dict)
    since: Mapping[str, datetime] | None = field(default=None, repr=False)

    def and_then(self, fleet: Iterable[Instance], at: datetime, price: Callable[[Instance], float]) -> Bill:
        """Return the bill at a later time, by the instances that are there then.

        Those that are there at the first look were billed before, but for what they cost from then on.

        Args:
            fleet: the instances.
            at: the time.
            price: dollars for an hour of an instance.
        """
        at = max(at, self.until)
        there = [one for one in fleet if one.state in _BILLED]
        known = self.since if self.since is not None else {one.id: one.launched_at for one in there}
        since = {one.id: known.get(one.id) or min(at, max(self.until, one.launched_at)) for one in there}
        added, each = 0.0, {}
        for one in there:
            each[one.id] = price(one) / 3600 * _billed_s(since[one.id], at)
            added += each[one.id] - (price(one) / 3600 * _billed_s(since[one.id], self.until) if one.id in known else 0)
        day = self.day_usd if at.date() == self.until.date() else 0.0
        return Bill(at, day + added, self.total_usd + added, sum(map(price, there)), each, since)


def _billed_s(since: datetime, at: datetime) -> float:
    return max(LEAST_S, (at - since).total_seconds())
