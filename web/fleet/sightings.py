"""What the monitor makes of announcements: when each was heard, what is the same as before, and points over time. Pure.

Times are seconds since 1970, by this process's clock.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.announcements import ScalingDecided, WorkerCounts
from app.domain import Instance, InstanceState

# What a queue brings in another order is not older than this; a time before that is a clock that was set back.
LATE_S = 300.0
_DIGITS = re.compile(r"\d+")
# What a list of decisions tells of one.
_SUMMARY = ("desired", "launch", "drain", "held", "reason", "policy", "leader")


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
    """One point of the picture over time. ``finished`` counts the images whose outcome was heard so far."""

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

    @classmethod
    def of(cls, decision: Decision, finished: int) -> Sample:
        """Return what ``decision`` was made on."""
        depth, states = decision.what.depth, states_of(decision.what.fleet)
        there = (states[InstanceState.PENDING], states[InstanceState.RUNNING], states[InstanceState.DRAINING])
        counts = (depth.visible, depth.in_flight, depth.delayed, *there, decision.what.desired)
        return cls(decision.until, *counts, arrival_rate=decision.what.arrival_rate, finished=finished)

    def bin(self, width_s: float) -> int:
        """Return which interval of ``width_s`` seconds it is in."""
        return int(self.at // width_s)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's last counts, heard ``heard_at``; ``leaving`` says why, once it has said that it goes."""

    id: str
    hostname: str
    counts: WorkerCounts
    heard_at: float
    leaving: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what the API tells beside its instance."""
        counts = {"active": self.counts.active, "processed": self.counts.processed}
        return {"hostname": self.hostname, **counts, "leaving": self.leaving}


@dataclass(frozen=True, slots=True)
class Departure:
    """A worker that said ``at`` that it goes: idle, on a notice, asked, or by a signal."""

    id: str
    why: str
    at: float

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        return asdict(self)
