"""What the past tells: arrival and service rates, boot time, the images' ages. Pure; it remembers what it was told.

Images outstanding and images finished, added, are the images that have ever arrived. That curve's slope is the arrival
rate; where it passed what is finished by now, the oldest outstanding image came.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.memory.arrivals import LONG, arrival_rate
from autoscaler.memory.disorder import Disorder
from autoscaler.memory.forecast import Forecast
from autoscaler.values import Estimates, Heartbeat

# An image older than this is counted as this old.
OLDEST_S = 3600.0
# Ages told: the oldest image's, the newest's, and those at equal steps between them.
AGES = 9
# The service rate is measured over this many images or busy seconds at least: fewer would tell of the images, not of
# the rate, which then stays while nobody is busy. It is half forgotten after so many more busy seconds.
GROUND_IMAGES, GROUND_S, HALF_LIFE_S = 10, 60.0, 300.0
# A heartbeat that is older than the one before by up to this came late; by more, the worker's clock was set back.
OVERTAKEN = timedelta(seconds=300)
# Workers tell of themselves every two seconds; where it seems to be longer, a clock was set, or much was lost.
LONGEST_BEAT_S = 30.0
# What a worker says to have done within a second is believed up to so many times the rate of one, or so many images
# where that is unknown: one heartbeat that lies would else be taken for a burst of arrivals.
MOST_RATES, MOST_IMAGES = 10.0, 100.0
# At least so many seconds are between two heartbeats, though both be heard at one look.
SHORTEST_BEAT_S = 2.0
# An autoscaler that has not looked for longer than this, such as one that slept, does not know when boots ended.
LONGEST_LOOK_S = 15.0
# Boots of late whose median is taken: one that took thrice as long says nothing of the next.
BOOTS = 9


@dataclass(frozen=True, slots=True)
class _Point:
    at_s: float
    arrived: int
    completed: int


class Estimator:
    """Learns from one observation after the other.

    Args:
        start: the time from which it counts; instances that were there before say nothing of the boot time.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._history: deque[_Point] = deque()
        self._rates: deque[float] = deque(maxlen=LONG)
        # Of each worker the last heartbeat, and when that came, by the autoscaler's own clock.
        self._last: dict[str, tuple[Heartbeat, datetime]] = {}
        self._completed = 0
        self._busy_s = self._worked = 0.0
        self._booting: set[str] = set()
        self._looked_at = start
        self._boots_s: deque[float] = deque(maxlen=BOOTS)
        self._pending: set[str] = set()
        self._pendings_s: deque[float] = deque(maxlen=BOOTS)
        self._forecast = Forecast()
        self._disorder = Disorder()

    def hear(self, heartbeats: Iterable[Heartbeat], at: datetime) -> None:
        """Take note of heartbeats that came until ``at``; a worker's last ones count after it has left.

        Not counted: what a worker did before it was first heard, and a heartbeat that a later one has overtaken. One
        that is much older than the last is no such one: the worker's clock was set back.
        """
        for heard in heartbeats:
            before, came_at = self._last.get(heard.instance, (None, at))
            if before and timedelta() < before.at - heard.at <= OVERTAKEN:
                continue
            self._last[heard.instance] = heard, at
            if before:
                self._compare(before, heard, self._most(max(SHORTEST_BEAT_S, (at - came_at).total_seconds())))

    def _compare(self, before: Heartbeat, heard: Heartbeat, most: int) -> None:
        if heard.done < before.done:  # another worker process on the same instance
            self._completed += min(heard.done, most)
            return
        done = min(heard.done - before.done, most)
        self._completed += done
        seconds = (heard.at - before.at).total_seconds()
        if before.full and heard.full and 0 < seconds <= LONGEST_BEAT_S:
            kept = 0.5 ** (seconds / HALF_LIFE_S)
            self._busy_s, self._worked = self._busy_s * kept + seconds, self._worked * kept + done

    def see(
        self, at: datetime, depth: QueueDepth, fleet: tuple[Instance, ...], waits_s: Sequence[float] = ()
    ) -> Estimates:
        """Take note of the queue and the fleet at one time, and return what all that is known tells.

        Args:
            at: the time.
            depth: SQS's counts.
            fleet: the instances; those with ``heard_at`` are ready for work.
            waits_s: of images done since the last look.
        """
        now = _Point((at - self._start).total_seconds(), depth.total + self._completed, self._completed)
        self._learn_boot(fleet, at)
        self._learn_pending(at, fleet)
        self._forget(at)
        if self._history and now.at_s > self._history[-1].at_s:
            before = self._history[-1]
            self._rates.append((now.arrived - before.arrived) / (now.at_s - before.at_s))
        rate = arrival_rate(tuple(self._rates))
        ages_s = self._ages_s(now)
        return Estimates(
            ages_s=ages_s,
            arrival_rate=rate,
            expected_rate=None if rate is None else self._forecast.see(now.at_s, now.arrived, rate),
            pending_s=median(self._pendings_s) if self._pendings_s else None,
            service_rate=self._service_rate(),
            boot_s=median(self._boots_s) if self._boots_s else None,
            disorder=self._disorder.see(now.at_s, waits_s, ages_s[0] if ages_s else 0.0),
        )

    def _service_rate(self) -> float | None:
        measured = self._worked >= GROUND_IMAGES or (self._busy_s >= GROUND_S and self._worked > 0)
        return self._worked / self._busy_s if measured else None

    def _most(self, seconds: float) -> int:
        """Return how many images one worker can have done in so many seconds."""
        rate = self._service_rate()
        return math.ceil(seconds * (MOST_IMAGES if rate is None else MOST_RATES * rate))

    def _ages_s(self, now: _Point) -> tuple[float, ...]:
        history = self._history
        history.append(now)
        while len(history) > 2 and (history[1].arrived <= now.completed or history[0].at_s < now.at_s - OLDEST_S):
            history.popleft()
        outstanding = now.arrived - now.completed
        if not outstanding:
            return ()
        ages: list[float] = []
        points = reversed(history)
        point = next(points)
        for step in reversed(range(AGES)):
            # It came after the last point at which fewer had.
            number = now.completed + max(1.0, outstanding * step / (AGES - 1))
            while point.arrived >= number and point is not history[0]:
                point = next(points)
            ages.append(now.at_s - point.at_s)
        return tuple(reversed(ages))

    def _forget(self, at: datetime) -> None:
        """Drop the last heartbeats of workers that have long gone."""
        gone = [name for name, (_, came_at) in self._last.items() if (at - came_at).total_seconds() > OLDEST_S]
        for name in gone:
            del self._last[name]

    def _learn_boot(self, fleet: tuple[Instance, ...], at: datetime) -> None:
        """Learn from instances that were not ready at the last look, unless that was too long ago to tell when."""
        looked_at, self._looked_at = self._looked_at, at
        if (at - looked_at).total_seconds() > LONGEST_LOOK_S:
            self._booting = set()
        for instance in fleet:
            seen_from_launch = instance.id in self._booting and instance.launched_at >= self._start
            if seen_from_launch and instance.heard_at is not None:
                self._boots_s.append((instance.heard_at - instance.launched_at).total_seconds())
        self._booting = {instance.id for instance in fleet if instance.heard_at is None}

    def _learn_pending(self, at: datetime, fleet: tuple[Instance, ...]) -> None:
        for instance in fleet:
            if instance.id in self._pending and instance.state is not InstanceState.PENDING:
                self._pendings_s.append((at - instance.launched_at).total_seconds())
        self._pending = {
            instance.id
            for instance in fleet
            if instance.state is InstanceState.PENDING and instance.launched_at >= self._start
        }
