"""Observing: SQS's three counts, the fleet, and what has become of the launches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import structlog

from app.depth import QueueReader
from app.domain import Instance, Observation
from app.settings import Settings
from autoscaler.boots import LONG_ENOUGH_S, Boots
from autoscaler.fleet import Fleet

log = structlog.get_logger(__name__)


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
        self._boots = Boots(min(settings.idle_s or LONG_ENOUGH_S, LONG_ENOUGH_S))
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
