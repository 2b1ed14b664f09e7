"""Telling instances that failed to boot from those that left after work. Pure; it remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.domain import Instance, InstanceState

# A worker that never leaves by itself has not failed to boot if it lived this long.
LONG_ENOUGH_S = 60.0


@dataclass(slots=True)
class Boots:
    """Counts the instances in a row that ended before they could have worked.

    Args:
        shortest_life_s: no worker leaves by its own will before this many seconds.
    """

    shortest_life_s: float
    failed: int = 0
    failed_at: datetime | None = None
    _known: dict[str, Instance] = field(default_factory=dict)

    def see(self, fleet: tuple[Instance, ...], now: datetime) -> list[Instance]:
        """Take note of ``fleet`` as it is ``now``; return the instances that have gone since the last look."""
        there = {instance.id: instance for instance in fleet}
        gone = [instance for id, instance in self._known.items() if id not in there]
        self._known = there
        for instance in gone:
            if instance.state is InstanceState.DRAINING or self._lived(instance, now):
                self.failed = 0
            else:
                self.failed, self.failed_at = self.failed + 1, now
        if any(self._lived(instance, now) for instance in fleet):
            self.failed = 0
        if not self.failed:
            self.failed_at = None
        return gone

    def launched(self, instances: Iterable[Instance]) -> None:
        """Take note of instances that may be gone before the next look."""
        self._known.update({instance.id: instance for instance in instances})

    def _lived(self, instance: Instance, now: datetime) -> bool:
        return (now - instance.launched_at).total_seconds() >= self.shortest_life_s
