"""How long images waited in an hour, from their queueing to their stored outcome. Pure; it keeps counts, not images."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.domain import Life
from app.fields import Fields

KEPT_S, LATELY_S = 3600.0, 900.0
# Waits are counted in steps, each so many times as long as the one before: no share is told more exactly.
SHORTEST_S, STEP = 0.01, 1.08
_MOST = 400


@dataclass(slots=True)
class Minute:
    """The waits of one minute, since 1970; ``steps`` has how many were as long as each step."""

    minute: int
    late: int = 0
    steps: Counter[int] = field(default_factory=Counter)


class Waits:
    """Counts them.

    Args:
        target_s: an image that waits longer is late.
    """

    def __init__(self, target_s: float) -> None:
        self._target_s = target_s
        self._minutes: deque[Minute] = deque(maxlen=int(KEPT_S / 60) + 1)
        # Those since the last point of the picture, and those that the last point tells of.
        self._since, self._told = Counter[int](), Counter[int]()

    def hear(self, life: Life, now: float) -> None:
        """Take note of an image that has got its outcome; one whose queueing is not known tells nothing."""
        if life.queued_at is None:
            return
        wait_s = max(0.0, life.stored_at - life.queued_at)
        minute = int(now // 60)
        if not self._minutes or self._minutes[-1].minute < minute:
            self._minutes.append(Minute(minute))
        newest = self._minutes[-1]
        newest.steps[_step(wait_s)] += 1
        newest.late += wait_s > self._target_s
        self._since[_step(wait_s)] += 1

    def point(self, *, anew: bool) -> tuple[float | None, float | None]:
        """Return the median and the 99th percentile of a point of the picture, in seconds; None where none was done.

        Args:
            anew: whether another point begins; otherwise it is the last one again, with what came since.
        """
        self._told = self._since if anew else self._told + self._since
        self._since = Counter()
        return quantile(self._told, 0.5), quantile(self._told, 0.99)

    def view(self, now: float) -> dict[str, Any]:
        """Return the hour's images, those that were late, and the quarter's median and 99th percentile in seconds."""
        hour = list(self._within(now, KEPT_S))
        lately: Counter[int] = sum((one.steps for one in self._within(now, LATELY_S)), Counter())
        return {
            "target_s": self._target_s,
            "p50_s": quantile(lately, 0.5),
            "p99_s": quantile(lately, 0.99),
            "hour_images": sum(one.steps.total() for one in hour),
            "hour_late": sum(one.late for one in hour),
        }

    def to_json(self) -> list[dict[str, Any]]:
        """Return what `adopt` reads."""
        return [
            {"minute": one.minute, "late": one.late, "steps": [[*pair] for pair in sorted(one.steps.items())]}
            for one in self._minutes
        ]

    def adopt(self, kept: Iterable[Fields]) -> None:
        """Take over the minutes that another one kept; of one that both know, that with more images in it.

        Raises:
            MalformedAnnouncement: they are no such minutes.
        """
        minutes = {one.minute: one for one in self._minutes}
        for one in map(_minute_of, kept):
            known = minutes.get(one.minute)
            if known is None or known.steps.total() < one.steps.total():
                minutes[one.minute] = one
        self._minutes.clear()
        self._minutes.extend(minutes[minute] for minute in sorted(minutes))

    def _within(self, now: float, seconds: float) -> Iterable[Minute]:
        return (one for one in self._minutes if one.minute > (now - seconds) // 60)


def quantile(steps: Counter[int], share: float) -> float | None:
    """Return the seconds that so large a share of the waits does not exceed, to the step; None of no waits."""
    left = math.ceil(share * steps.total())
    for step in sorted(steps):
        left -= steps[step]
        if left <= 0:
            return round(SHORTEST_S * STEP**step, 3)
    return None


def _step(wait_s: float) -> int:
    return min(_MOST, math.ceil(math.log(max(wait_s, SHORTEST_S) / SHORTEST_S, STEP)))


def _minute_of(said: Fields) -> Minute:
    steps = {step: count for step, count in said.pairs("steps") if step <= _MOST}
    return Minute(said.count("minute"), said.count("late"), Counter(steps))
