"""Observing: SQS's three counts, the fleet, what has become of the launches, and what workers say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from app.aws.depth import QueueReader
from app.domain import Instance, InstanceState
from app.settings import Settings
from autoscaler.fleet import Fleet
from autoscaler.listen import Heard, Hearing
from autoscaler.memory.boots import LONG_ENOUGH_S, Boots
from autoscaler.memory.estimate import Estimates, Estimator
from autoscaler.values import Observation

log = structlog.get_logger(__name__)


class Observer:
    """Puts an `Observation` together.

    Args:
        settings: where the queue is, and how long an idle worker stays.
        fleet: the instances.
        clock: the time, UTC; a test may bring its own.
        hearing: what workers say; None where they cannot be heard.
    """

    def __init__(
        self,
        settings: Settings,
        fleet: Fleet,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        hearing: Hearing | None = None,
    ) -> None:
        self._queue = QueueReader(settings)
        self._fleet = fleet
        self.now = clock
        self._hearing = hearing
        self._estimator = Estimator(clock())
        # Boots that others see to do not fail here.
        self._boots = Boots(min(settings.worker.idle_s or LONG_ENOUGH_S, LONG_ENOUGH_S) if fleet.elastic else 0.0)
        self._refusal = ""
        self._refused_at: datetime | None = None

    def observe(self) -> Observation:
        """Return the queue and the fleet as they are now.

        Raises:
            ConfigurationError: the queue does not exist, or AWS refuses.
            TransientError: one of the two did not answer.
        """
        counted_at = self.now()
        depth = self._queue.depth()
        listed_at = self.now()
        listed = self._fleet.instances()
        now = self.now()
        heard = self._hearing.take() if self._hearing else Heard()
        fleet = tuple(_as_heard(instance, heard) for instance in listed)
        self._estimator.hear(heard.heartbeats)
        known = self._estimator.see(now, depth, fleet) if self._hearing else Estimates(())
        for instance in self._boots.see(fleet, now):
            log.info("instance_gone", instance=instance.id, lived_s=self._lived_s(instance, now))
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
            known.ages_s,
            known.arrival_rate,
            known.service_rate,
            known.boot_s,
            heard.since,
            heard.at,
            heard.worker_at,
        )

    def launched(self, instances: Iterable[Instance]) -> None:
        """Take note of what has just been launched."""
        self._boots.launched(instances)

    def refused(self, why: str) -> None:
        """Take note that a launch has just been refused."""
        self._refusal, self._refused_at = why, self.now()

    def _lived_s(self, instance: Instance, now: datetime) -> float:
        """Return how long an instance that is gone has lived; where it is known by its worker, until the last word."""
        ended_at = now if self._fleet.elastic else instance.heard_at or now
        return round((ended_at - instance.launched_at).total_seconds(), 1)


def _as_heard(instance: Instance, heard: Heard) -> Instance:
    """Return an instance with what its worker says: that it lives, or that it leaves."""
    voice = heard.voices.get(instance.id)
    if voice is None:
        return instance
    return replace(instance, heard_at=voice.at, state=InstanceState.DRAINING if voice.leaving else instance.state)
