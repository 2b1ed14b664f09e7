"""Telling instances that failed to boot from those that left after work. Pure; it remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.domain import Instance, InstanceState
from autoscaler.values import FailedBoots

# A worker that never leaves by itself has not failed to boot if it lived this long.
LONG_ENOUGH_S = 60.0


def shortest_life_s(idle_s: float) -> float:
    """Return how many seconds an instance lives at least that has not failed to boot.

    Args:
        idle_s: seconds without work after which a worker leaves by itself; 0: never.
    """
    return min(idle_s or LONG_ENOUGH_S, LONG_ENOUGH_S)


@dataclass(slots=True)
class Boots:
    """Counts the instances in a row that ended before they could have worked.

    Args:
        shortest_life_s: no worker leaves by its own will before this many seconds.
        failed: those in a row, if there are any.
    """

    shortest_life_s: float
    failed: FailedBoots | None = None
    _known: dict[str, Instance] = field(default_factory=dict)

    def see(self, fleet: tuple[Instance, ...], now: datetime) -> tuple[Instance, ...]:
        """Take note of ``fleet`` as it is ``now``; return the instances that have gone since the last look."""
        there = {instance.id: instance for instance in fleet}
        gone = tuple(instance for id, instance in self._known.items() if id not in there)
        self._known = there
        for instance in gone:
            if instance.state is InstanceState.DRAINING or self._lived(instance, now):
                self.failed = None
            else:
                self.failed = FailedBoots(self.failed.in_a_row + 1 if self.failed else 1, now)
        if any(self._lived(instance, now) for instance in fleet):
            self.failed = None
        return gone

    def launched(self, instances: Iterable[Instance]) -> None:
        """Take note of instances that may be gone before the next look."""
        self._known.update({instance.id: instance for instance in instances})

    def _lived(self, instance: Instance, now: datetime) -> bool:
        return (now - instance.launched_at).total_seconds() >= self.shortest_life_s
