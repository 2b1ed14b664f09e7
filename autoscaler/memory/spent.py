"""How many instance-hours a day has cost so far. Pure; it remembers what it was told. Days are UTC's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain import Instance, InstanceState


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent on a day.

    Attributes:
        until: up to when it is counted, UTC; it is of that day.
        hours: instance-hours of that day.
    """

    until: datetime
    hours: float = 0.0

    def and_then(self, fleet: Iterable[Instance], at: datetime) -> Spent:
        """Return what is spent at a later time, by the instances that are there then.

        Each counts from its launch, the last look or midnight on, whichever was last; so one that was there while
        nobody looked counts for that time as well.
        """
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        since = max(self.until, midnight)
        there = [one for one in fleet if one.state is not InstanceState.TERMINATED]
        ran = sum(((at - min(at, max(since, one.launched_at))) for one in there), timedelta())
        return Spent(max(at, self.until), (self.hours if self.until >= midnight else 0.0) + ran / timedelta(hours=1))
