"""Observing: SQS's three counts, the fleet, what has become of the launches, and what workers say."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from app.aws.calls import calls
from app.aws.depth import QueueReader
from app.domain import FleetCost, Instance, InstanceState, QueueDepth
from app.fields import LONGEST_NAME
from app.prices import TAKEN_FOR, prices
from app.process.clock import SteadyClock
from app.settings import Settings
from autoscaler.fleet import Fleet
from autoscaler.listen import Hearing
from autoscaler.memory.bill import Bill
from autoscaler.memory.boots import shortest_life_s
from autoscaler.memory.past import Past
from autoscaler.memory.spent import Spent
from autoscaler.values import Heard, Launches, Observation

log = structlog.get_logger(__name__)

# While nothing is queued and there is no instance, the bulk queue is looked at so rarely: nobody waits for what comes
# there, and most of it comes with what goes by the task queue.
BULK_S = 10.0


class Observer:
    """Puts an `Observation` together.

    Args:
        settings: where the queue is, and how long an idle worker stays.
        fleet: the instances.
        clock: the time, UTC; a test may bring its own.
        hearing: what workers say; None where they cannot be heard.
        spent: what was spent of the day's budget before; nothing unless given.
        bill: what this day was billed before; nothing unless given.
    """

    def __init__(
        self,
        settings: Settings,
        fleet: Fleet,
        clock: Callable[[], datetime] | None = None,
        hearing: Hearing | None = None,
        spent: Spent | None = None,
        bill: Bill | None = None,
    ) -> None:
        self._queue, self._names = QueueReader(settings), (settings.queue.name, settings.queue.bulk)
        self._depths: dict[str, QueueDepth] = {}
        self._bulk_at = datetime.min.replace(tzinfo=UTC)
        self._rests = False
        self._random = random.Random()
        self._fleet = fleet
        self.now = clock = clock or SteadyClock()
        self._hearing = hearing
        self.launches = Launches()
        self.bill, self._given = bill or Bill(clock()), settings.autoscaler.price_usd
        self.spent = spent or Spent(clock())
        # Boots that others see to do not fail here.
        idle_s = settings.worker.idle_s
        shortest_s = shortest_life_s(idle_s) if fleet.elastic else 0.0
        self._past = Past(clock(), shortest_s, settings.autoscaler.boot_limit_s, leaves=idle_s > 0)

    def observe(self) -> Observation:
        """Return the queue and the fleet as they are now.

        Raises:
            ConfigurationError: the queue does not exist, or AWS refuses.
            TransientError: one of the two did not answer.
        """
        counted_at = self.now()
        self._depths = self._count(counted_at)
        depth = sum(self._depths.values(), QueueDepth(0, 0))
        listed_at = self.now()
        listed = self._fleet.instances()
        heard = self._hearing.take() if self._hearing else Heard()
        fleet = tuple(_as_heard(instance, heard) for instance in listed)
        seen = self._past.see(
            at=self.now(), depth=depth, counted_at=counted_at, fleet=fleet, listed_at=listed_at, heard=heard
        )
        for instance in seen.gone:
            log.info("instance_gone", instance=instance.id, lived_s=self._lived_s(instance, seen.at))
        self.spent = self.spent.and_then(seen.fleet, seen.at)
        self.bill = self.bill.and_then(seen.fleet, seen.at, self._price)
        self._rests = not depth.total and not fleet
        waiting = {name: depth.visible for name, depth in self._depths.items()}
        return replace(
            seen,
            waiting=waiting,
            cost=self._cost(seen),
            spent_h=self.spent.hours,
            spot_resting=self._fleet.spot_resting,
        )

    def _count(self, now: datetime) -> dict[str, QueueDepth]:
        """Return the depth of each queue, by its name."""
        name, bulk = self._names
        found = {name: self._queue.depth_of(name)}
        if not bulk:
            return found
        if self._rests and not found[name].total and (now - self._bulk_at).total_seconds() < BULK_S:
            return {**found, bulk: self._depths[bulk]}
        found[bulk] = self._queue.depth_of(bulk)
        self._bulk_at = now
        return found

    def _price(self, instance: Instance) -> float:
        return prices().worker_hour(instance.type, spot=instance.spot, given=self._given)

    def _cost(self, seen: Observation) -> FleetCost:
        bill = self.bill
        types = sorted({_kind_of(one) for one in seen.fleet}) or [TAKEN_FOR]
        words = f"${self._given:g} an hour" if self._given else " and ".join(types)
        each = tuple((id, round(usd, 6)) for id, usd in bill.each.items())
        return FleetCost(bill.hour_usd, bill.day_usd, bill.total_usd, words[:LONGEST_NAME], calls.made(), each)

    def launched(self, instances: Iterable[Instance]) -> None:
        """Take note of what has just been launched."""
        came = list(instances)
        self.launches = replace(self.launches, came=self.launches.came + len(came))
        self._past.launched(came, self.now())

    def refused(self, why: str, pause_s: float) -> None:
        """Take note that a launch has just been refused, and that none is to be tried for so many seconds."""
        self.launches = replace(self.launches, failed=self.launches.failed + 1)
        self._past.refused(why, self.now(), pause_s, self._random.random())

    def _lived_s(self, instance: Instance, now: datetime) -> float:
        """Return how long an instance that is gone has lived; where it is known by its worker, until the last word."""
        ended_at = now if self._fleet.elastic else instance.heard_at or now
        return round((ended_at - instance.launched_at).total_seconds(), 1)


def _kind_of(instance: Instance) -> str:
    """Return what an instance is priced as, in words."""
    kind = instance.type if instance.type in prices().instance_hours else f"as if {TAKEN_FOR}"
    return f"{kind}, spot" if instance.spot else kind


def _as_heard(instance: Instance, heard: Heard) -> Instance:
    """Return an instance with what its worker says: that it lives, or that it leaves."""
    voice = heard.voices.get(instance.id)
    if voice is None:
        return instance
    return replace(instance, heard_at=voice.at, state=InstanceState.DRAINING if voice.leaving else instance.state)
