"""What one event says, read strictly: whoever may publish to the topic may have sent it. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.domain import InstanceState, QueueDepth

_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Sighting:
    """An instance as the autoscaler sees it; times in seconds since 1970, by the autoscaler's clock."""

    id: str
    state: str
    launched_at: float
    heard_at: float | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Sighting:
        """Read one entry of a decision's ``fleet``.

        Raises:
            LookupError, TypeError, ValueError: it is none.
        """
        state = InstanceState(data["state"])
        return cls(str(data["id"]), str(state), _number(data["launched_at"]), _maybe(data["heard_at"]))

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Decision:
    """A scaling decision, heard ``at`` and again ``until``, in seconds since 1970; rates are None while unknown.

    ``said_at`` is the same by the autoscaler's clock, which may be wrong but has the order.
    """

    at: float
    until: float
    desired: int
    launch: int
    drain: tuple[str, ...]
    held: bool
    reason: str
    policy: str
    ceiling: int
    leader: str
    said_at: float
    depth: QueueDepth
    fleet: tuple[Sighting, ...]
    oldest_s: float | None
    arrival_rate: float | None
    service_rate: float | None
    boot_s: float | None

    @classmethod
    def of(cls, event: Mapping[str, Any], now: float) -> Decision:
        """Read a ``scaling-decision``.

        Raises:
            LookupError, TypeError, ValueError: it is not as our autoscaler sends it.
        """
        return cls(
            at=now,
            until=now,
            desired=int(event["desired"]),
            launch=int(event["launch"]),
            drain=tuple(str(id) for id in event["drain"]),
            held=bool(event["held"]),
            reason=str(event["reason"]),
            policy=str(event["policy"]),
            ceiling=int(event["ceiling"]),
            leader=str(event["leader"]),
            said_at=_number(event.get("timestamp", now)),
            depth=_depth(event),
            fleet=tuple(Sighting.of(one) for one in event["fleet"]),
            oldest_s=_maybe(event["oldest_s"]),
            arrival_rate=_maybe(event["arrival_rate"]),
            service_rate=_maybe(event["service_rate"]),
            boot_s=_maybe(event["boot_s"]),
        )

    def came_late(self, known: Decision) -> bool:
        """Return whether the same autoscaler had decided ``known`` after this: a queue keeps no order."""
        return self.leader == known.leader and self.said_at < known.said_at

    def says_the_same_as(self, other: Decision) -> bool:
        """Return whether the two differ in the numbers of their reasons at most."""
        return self._words() == other._words()

    def again(self, newer: Decision) -> Decision:
        """Return the newer one, which has said the same since this was made."""
        return replace(newer, at=self.at)

    def states(self) -> Counter[str]:
        """Return how many instances there are by state."""
        return Counter(instance.state for instance in self.fleet)

    def summary(self) -> dict[str, Any]:
        """Return what a list of decisions tells of one."""
        names = ("at", "until", "desired", "launch", "drain", "held", "reason", "policy", "leader")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return the whole of it, but for the fleet, as the API answers with."""
        more = ("ceiling", "oldest_s", "arrival_rate", "service_rate", "boot_s")
        return {**self.summary(), **{name: getattr(self, name) for name in more}, "depth": asdict(self.depth)}

    def _words(self) -> tuple[object, ...]:
        words = _DIGITS.sub("", self.reason)
        return self.desired, self.launch, self.drain, self.held, self.policy, self.ceiling, self.leader, words


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
        depth, states = decision.depth, decision.states()
        there = (states[InstanceState.PENDING], states[InstanceState.RUNNING], states[InstanceState.DRAINING])
        counts = (depth.visible, depth.in_flight, depth.delayed, *there, decision.desired)
        return cls(decision.until, *counts, arrival_rate=decision.arrival_rate, finished=finished)

    def bin(self, width_s: float) -> int:
        """Return which interval of ``width_s`` seconds it is in."""
        return int(self.at // width_s)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's last heartbeat; ``id`` is its instance's. ``leaving`` says why, once it has said that it goes."""

    id: str
    hostname: str
    active: int | None
    processed: int | None
    heard_at: float
    leaving: str | None = None

    @classmethod
    def of(cls, event: Mapping[str, Any], now: float) -> Worker:
        """Read an event of a worker's.

        Raises:
            LookupError, TypeError, ValueError: it names no worker.
        """
        hostname = str(event["hostname"])
        return cls(hostname.partition("@")[0], hostname, _count(event, "active"), _count(event, "processed"), now)

    def leaves(self, why: str | None) -> Worker:
        """Return the same worker, which is on its way out because of ``why``."""
        return replace(self, leaving=why)

    def to_json(self) -> dict[str, Any]:
        """Return what the API tells beside its instance."""
        return {name: getattr(self, name) for name in ("hostname", "active", "processed", "leaving")}


@dataclass(frozen=True, slots=True)
class Departure:
    """A worker that said ``at`` (seconds since 1970) that it goes: idle, on a notice, asked, or by a signal."""

    id: str
    why: str
    at: float

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Swept:
    """What the sweep has done since the autoscaler's start, and how many dead letters there are."""

    dead_letters: int
    listeners: int
    republished: int
    given_up: int
    at: float

    @classmethod
    def of(cls, event: Mapping[str, Any], now: float) -> Swept:
        """Read a ``swept``.

        Raises:
            LookupError, TypeError, ValueError: it is not as our sweep sends it.
        """
        counts = {name: int(event[name]) for name in ("dead_letters", "listeners", "republished", "given_up")}
        return cls(**counts, at=now)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        return asdict(self)


def _depth(event: Mapping[str, Any]) -> QueueDepth:
    depth = event["depth"]
    return QueueDepth(int(depth["visible"]), int(depth["in_flight"]), int(depth["delayed"]))


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number to show")
    return number


def _count(event: Mapping[str, Any], name: str) -> int | None:
    return None if event.get(name) is None else int(event[name])


def _maybe(value: Any) -> float | None:
    return None if value is None else _number(value)
