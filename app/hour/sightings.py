"""What is made of decisions: when each was heard, what is the same as before, and points over time. Pure.

Times are seconds since 1970, by the clock of whoever listens.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.announcements import ScalingDecided
from app.domain import Instance, InstanceState
from app.fields import Fields

# What a queue brings in another order is not older than this; a time before that is a clock that was set back.
LATE_S = 300.0
_DIGITS = re.compile(r"\d+")
# What a list of decisions tells of one.
_SUMMARY = ("desired", "launch", "drain", "held", "reason", "policy", "leader")
_COUNTS = ("visible", "in_flight", "delayed", "pending", "running", "draining", "desired", "finished")


@dataclass(frozen=True, slots=True)
class Decision:
    """A scaling decision, heard ``at`` and again ``until``.

    ``said_at`` is the same by the autoscaler's clock, which may be wrong but has the order.
    """

    at: float
    until: float
    said_at: float
    what: ScalingDecided

    def came_late(self, known: Decision) -> bool:
        """Return whether the same autoscaler had decided ``known`` after this: a queue keeps no order."""
        return self.what.leader == known.what.leader and 0 < known.said_at - self.said_at <= LATE_S

    def says_the_same_as(self, other: Decision) -> bool:
        """Return whether the two differ in the numbers of their reasons at most."""
        return self._words() == other._words()

    def again(self, newer: Decision) -> Decision:
        """Return the newer one, which has said the same since this was made."""
        return replace(newer, at=self.at)

    def instances(self) -> list[dict[str, Any]]:
        """Return the instances, each in the form that the API answers with."""
        instances: list[dict[str, Any]] = self.what.to_event()["fleet"]
        return instances

    def summary(self) -> dict[str, Any]:
        """Return what a list of decisions tells of one."""
        return {"at": self.at, "until": self.until, **{name: getattr(self.what, name) for name in _SUMMARY}}

    def to_json(self) -> dict[str, Any]:
        """Return the whole of it, but for the fleet, as the API answers with."""
        said = {name: value for name, value in self.what.to_event().items() if name != "fleet"}
        return {"at": self.at, "until": self.until, **said}

    def _words(self) -> tuple[object, ...]:
        what = self.what
        words = _DIGITS.sub("", what.reason)
        return what.desired, what.launch, what.drain, what.held, what.policy, what.ceiling, what.leader, words


def states_of(fleet: Iterable[Instance]) -> Counter[InstanceState]:
    """Return how many instances there are by state."""
    return Counter(instance.state for instance in fleet)


@dataclass(frozen=True, slots=True)
class Sample:
    """One point of the picture over time.

    ``finished`` counts the images whose outcome was heard so far; ``p50_s`` and ``p99_s`` are how long those waited
    that were done since the point before.
    """

    at: float
    visible: int
    in_flight: int
    delayed: int
    pending: int
    running: int
    draining: int
    desired: int
    arrival_rate: float | None
    finished: int
    p50_s: float | None = None
    p99_s: float | None = None

    @classmethod
    def of(cls, decision: Decision, finished: int, waits: tuple[float | None, float | None] = (None, None)) -> Sample:
        """Return what ``decision`` was made on."""
        depth, states = decision.what.depth, states_of(decision.what.fleet)
        there = (states[InstanceState.PENDING], states[InstanceState.RUNNING], states[InstanceState.DRAINING])
        counts = (depth.visible, depth.in_flight, depth.delayed, *there, decision.what.desired)
        return cls(decision.until, *counts, decision.what.arrival_rate, finished, *waits)

    @classmethod
    def kept(cls, said: Fields) -> Sample:
        """Read what `to_json` gave.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        counts = {name: said.count(name) for name in _COUNTS}
        return cls(
            at=said.moment("at"),
            **counts,
            arrival_rate=said.maybe_number("arrival_rate"),
            p50_s=said.maybe_number("p50_s"),
            p99_s=said.maybe_number("p99_s"),
        )

    def wider(self, other: Sample) -> Sample:
        """Return the later of two as one point for both, with the longer waits."""
        return replace(other, p50_s=_longer(self.p50_s, other.p50_s), p99_s=_longer(self.p99_s, other.p99_s))

    def bin(self, width_s: float) -> int:
        """Return which interval of ``width_s`` seconds it is in."""
        return int(self.at // width_s)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        return asdict(self)


def _longer(one: float | None, other: float | None) -> float | None:
    return max((wait for wait in (one, other) if wait is not None), default=None)


def summary_of(said: Fields) -> dict[str, Any]:
    """Read what `Decision.summary` gave.

    Raises:
        MalformedAnnouncement: it is something else.
    """
    return {
        "at": said.moment("at"),
        "until": said.moment("until"),
        "desired": said.count("desired"),
        "launch": said.count("launch"),
        "drain": list(said.names("drain")),
        "held": said.flag("held"),
        "reason": said.text("reason"),
        "policy": said.name("policy"),
        "leader": said.name("leader"),
    }


def thinned(samples: Iterable[Sample], width_s: float) -> list[Sample]:
    """Return one point for each interval of ``width_s`` seconds that has any."""
    points: dict[int, Sample] = {}
    for sample in samples:
        bin = sample.bin(width_s)
        points[bin] = points[bin].wider(sample) if bin in points else sample
    return list(points.values())
