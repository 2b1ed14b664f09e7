"""What the past tells: arrival and service rates, boot time, the images' ages. Pure; it remembers what it was told.

Images outstanding and images finished, added, are the images that have ever arrived. That curve's slope is the arrival
rate; where it passed what is finished by now, the oldest outstanding image came.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime

from app.domain import Instance, QueueDepth

# Long enough to smooth counts that lag by seconds, short enough to follow a load that rises while instances boot.
WINDOW_S = 40.0
RECENT_S = 10.0
# An image older than this is counted as this old.
OLDEST_S = 3600.0
# Ages told: the oldest image's, the newest's, and those at equal steps between them.
AGES = 9
# The weight of the newest measurement in a running mean.
NEWEST = 0.2


@dataclass(frozen=True, slots=True)
class Estimates:
    """What `Observation` has under the same names."""

    ages_s: tuple[float, ...]
    arrival_rate: float | None = None
    service_rate: float | None = None
    boot_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Point:
    at_s: float
    arrived: int
    completed: int
    saturated: int


class Estimator:
    """Learns from one observation after the other.

    Args:
        start: the time from which it counts.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._history: deque[_Point] = deque()
        self._window: deque[_Point] = deque()
        self._service_rate: float | None = None
        self._boot_s: float | None = None
        self._booted: set[str] = set()

    def see(self, at: datetime, depth: QueueDepth, completed: int, fleet: tuple[Instance, ...]) -> Estimates:
        """Take note of what is seen at one time, and return what all that has been seen tells.

        Args:
            at: the time.
            depth: SQS's counts.
            completed: images that workers have finished since ``start``; it never falls.
            fleet: the instances; those with ``heard_at`` are ready for work.
        """
        ready = [instance for instance in fleet if instance.heard_at is not None]
        # With more waiting than there are instances, each has all the work that it can do.
        saturated = len(ready) if depth.visible > len(ready) else 0
        point = _Point((at - self._start).total_seconds(), depth.total + completed, completed, saturated)
        self._learn_boot(ready)
        self._learn_service_rate(point)
        self._window.append(point)
        while self._window[0].at_s < point.at_s - WINDOW_S:
            self._window.popleft()
        return Estimates(self._ages_s(point), self._arrival_rate(), self._service_rate, self._boot_s)

    def _ages_s(self, now: _Point) -> tuple[float, ...]:
        history = self._history
        history.append(now)
        while len(history) > 1 and (history[1].arrived <= now.completed or history[0].at_s < now.at_s - OLDEST_S):
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

    def _arrival_rate(self) -> float | None:
        now = self._window[-1]
        first = self._window[0]
        recent = next(point for point in self._window if point.at_s >= now.at_s - RECENT_S)
        rates: list[float] = [
            (now.arrived - since.arrived) / (now.at_s - since.at_s)
            for since in (first, recent)
            if now.at_s - since.at_s >= RECENT_S / 2
        ]
        return max([0.0, *rates]) if rates else None

    def _learn_boot(self, ready: list[Instance]) -> None:
        for instance in ready:
            if instance.id not in self._booted and instance.heard_at is not None:
                took_s = (instance.heard_at - instance.launched_at).total_seconds()
                self._boot_s = took_s if self._boot_s is None else self._boot_s + NEWEST * (took_s - self._boot_s)
        self._booted = {instance.id for instance in ready}

    def _learn_service_rate(self, now: _Point) -> None:
        """Measure where every instance was busy from one observation to the next."""
        if not self._window or not now.saturated or self._window[-1].saturated != now.saturated:
            return
        before = self._window[-1]
        rate = (now.completed - before.completed) / (now.saturated * (now.at_s - before.at_s))
        if rate > 0:
            weight = NEWEST if self._service_rate is not None else 1.0
            self._service_rate = (1 - weight) * (self._service_rate or 0.0) + weight * rate
