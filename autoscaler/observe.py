"""Observing: SQS's three counts, the fleet, and what has become of the launches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from app.depth import QueueReader
from app.domain import Instance, InstanceState, Observation
from app.settings import Settings
from autoscaler.fleet import Fleet

log = structlog.get_logger(__name__)

# A worker that never leaves by itself has not failed to boot if it lived this long.
_LONG_ENOUGH_S = 60.0


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


class Observer:
    """Puts an `Observation` together.

    Args:
        settings: where the queue is, and how long an idle worker stays.
        fleet: the instances.
        clock: the time, UTC; a test may bring its own.
    """

    def __init__(
        self, settings: Settings, fleet: Fleet, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._queue = QueueReader(settings)
        self._fleet = fleet
        self._clock = clock
        self._boots = Boots(min(settings.idle_s or _LONG_ENOUGH_S, _LONG_ENOUGH_S))
        self._refusal = ""
        self._refused_at: datetime | None = None

    def observe(self) -> Observation:
        """Return the queue and the fleet as they are now.

        Raises:
            ConfigurationError: the queue does not exist, or AWS refuses.
            TransientError: one of the two did not answer.
        """
        counted_at = self._clock()
        depth = self._queue.depth()
        listed_at = self._clock()
        fleet = tuple(self._fleet.instances())
        now = self._clock()
        for instance in self._boots.see(fleet, now):
            log.info(
                "instance_gone", instance=instance.id, lived_s=round((now - instance.launched_at).total_seconds(), 1)
            )
        return Observation(
            now,
            depth,
            counted_at,
            fleet,
            listed_at,
            self._boots.failed,
            self._boots.failed_at,
            self._refusal,
            self._refused_at,
        )

    def launched(self, instances: Iterable[Instance]) -> None:
        """Take note of what has just been launched."""
        self._boots.launched(instances)

    def refused(self, why: str) -> None:
        """Take note that a launch has just been refused."""
        self._refusal, self._refused_at = why, self._clock()
