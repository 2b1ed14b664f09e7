"""What the processes tell each other by Celery's events: each announcement a value, with its event's name.

`to_event` gives the fields to send, and `of` reads them again from an event that came. Pure. No work depends on an
announcement: one that is lost, or is not what it should be, costs a while at most. While a version is rolled out, the
old and the new hear each other: a field that is added may be absent, and a field that nobody knows is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self, get_args

from app.brakes import Brake, holding
from app.domain import (
    LIFE_TIMES,
    BatchCost,
    CallCounts,
    Classification,
    Failure,
    FleetCost,
    Instance,
    InstanceState,
    Life,
    Prediction,
    QueueDepth,
)
from app.fields import LONGEST_TEXT, Fields


class _Plain:
    """An announcement whose fields are sent as they are."""

    __slots__ = ()

    def to_event(self) -> dict[str, Any]:
        """Return the fields to send."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]  # each is a dataclass


@dataclass(frozen=True, slots=True)
class ScalingDecided:
    """The autoscaler's decision, and all that it was made of; rates are images a second, None is unknown.

    Attributes:
        desired: instances wanted.
        launch: how many to launch.
        drain: the ids of those to drain.
        held: whether what was seen was no ground to act on, or a step failed.
        reason: why, in words.
        policy: by which rule it was decided.
        ceiling: the most instances that there may be.
        leader: who decided, ``<host>:<pid>``.
        depth: the task queue's counts.
        fleet: the instances.
        oldest_s: age of the oldest outstanding image, in seconds.
        arrival_rate: images that arrive.
        service_rate: images that one busy instance does.
        boot_s: seconds from a launch to a worker that is ready.
        breaker_open: whether instances do not come to work, so that one alone is launched at a time.
        over_budget: whether the day's budget is used up, so that nothing is launched.
        spot_resting: whether so many spot instances were taken back that on demand comes first.
        spent_h: instance-hours of this day, UTC.
        budget_h: how many of them there may be; 0: no matter how many.
        cost: what the fleet costs; None where it is not said.
    """

    TYPE: ClassVar[str] = "scaling-decision"

    desired: int
    launch: int
    drain: tuple[str, ...]
    held: bool
    reason: str
    policy: str
    ceiling: int
    leader: str
    depth: QueueDepth
    fleet: tuple[Instance, ...]
    oldest_s: float | None = None
    arrival_rate: float | None = None
    service_rate: float | None = None
    boot_s: float | None = None
    breaker_open: bool = False
    over_budget: bool = False
    spot_resting: bool = False
    spent_h: float = 0.0
    budget_h: float = 0.0
    cost: FleetCost | None = None

    @property
    def brakes(self) -> tuple[Brake, ...]:
        """Return what holds launches back."""
        return holding(breaker=self.breaker_open, budget=self.over_budget, spot=self.spot_resting)

    def to_event(self) -> dict[str, Any]:
        """Return the fields to send."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        fleet = [_instance_to_event(instance) for instance in self.fleet]
        cost = _cost_to_event(self.cost) if self.cost else None
        return {**plain, "drain": list(self.drain), "depth": asdict(self.depth), "fleet": fleet, "cost": cost}

    @classmethod
    def of(cls, event: object) -> Self:
        """Read what `to_event` gave.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        said = Fields(event)
        return cls(
            desired=said.count("desired"),
            launch=said.count("launch"),
            drain=said.names("drain"),
            held=said.flag("held"),
            reason=said.text("reason"),
            policy=said.name("policy"),
            ceiling=said.count("ceiling"),
            leader=said.name("leader"),
            depth=_depth_of(said.part("depth")),
            fleet=tuple(_instance_of(one) for one in said.parts("fleet")),
            oldest_s=said.maybe_number("oldest_s"),
            arrival_rate=said.maybe_number("arrival_rate"),
            service_rate=said.maybe_number("service_rate"),
            boot_s=said.maybe_number("boot_s"),
            breaker_open=said.maybe_flag("breaker_open"),
            over_budget=said.maybe_flag("over_budget"),
            spot_resting=said.maybe_flag("spot_resting"),
            spent_h=said.number_or_zero("spent_h"),
            budget_h=said.number_or_zero("budget_h"),
            cost=_cost_of(said.maybe_part("cost")),
        )


@dataclass(frozen=True, slots=True)
class Swept(_Plain):
    """What the sweep has done since the autoscaler's start, and what there is now.

    Attributes:
        dead_letters: that there are.
        untold: batches that are complete, and could not be told of.
    """

    TYPE: ClassVar[str] = "swept"

    dead_letters: int = 0
    listeners: int = 0
    republished: int = 0
    given_up: int = 0
    untold: int = 0

    @classmethod
    def of(cls, event: object) -> Self:
        """Read what `to_event` gave, of an earlier version too.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        said = Fields(event)
        always = {name: said.count(name) for name in ("dead_letters", "listeners", "republished", "given_up")}
        return cls(**always, untold=said.count_or_zero("untold"))


@dataclass(frozen=True, slots=True)
class ImageClassified:
    """A worker has classified an image, and its result is in the output bucket."""

    TYPE: ClassVar[str] = "image-classified"

    outcome: Classification
    life: Life | None = None

    def to_event(self) -> dict[str, Any]:
        """Return the fields to send."""
        return {**self.outcome.to_json(), "life": self.life.to_json() if self.life else None}

    @classmethod
    def of(cls, event: object) -> Self:
        """Read what `to_event` gave.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        said = Fields(event)
        return cls(
            Classification(
                key=said.name("key"),
                filename=said.name("filename"),
                label=said.name("label"),
                score=said.number("score"),
                top5=tuple(Prediction(one.name("label"), one.number("score")) for one in said.parts("top5")),
                model=said.name("model"),
            ),
            _life_of(said.maybe_part("life")),
        )


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """A worker has given an image up, and the reason is in the output bucket."""

    TYPE: ClassVar[str] = "image-failed"

    outcome: Failure
    life: Life | None = None

    def to_event(self) -> dict[str, Any]:
        """Return the fields to send."""
        return {**self.outcome.to_json(), "life": self.life.to_json() if self.life else None}

    @classmethod
    def of(cls, event: object) -> Self:
        """Read what `to_event` gave.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        said = Fields(event)
        failure = Failure(key=said.name("key"), filename=said.name("filename"), reason=said.text("reason"))
        return cls(failure, _life_of(said.maybe_part("life")))


@dataclass(frozen=True, slots=True)
class ImagesQueued(_Plain):
    """Images were put into the task queue by one who hears of no worker; the autoscaler looks at once.

    Attributes:
        count: how many, at the least.
    """

    TYPE: ClassVar[str] = "images-queued"

    count: int

    @classmethod
    def of(cls, event: object) -> Self:
        """Read what `to_event` gave.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        return cls(Fields(event).count("count"))


@dataclass(frozen=True, slots=True)
class CallsMade:
    """What a worker, or a web process, has called of AWS since its start."""

    TYPE: ClassVar[str] = "calls-made"

    calls: CallCounts

    def to_event(self) -> dict[str, Any]:
        """Return the fields to send."""
        return asdict(self.calls)

    @classmethod
    def of(cls, event: object) -> Self:
        """Read what `to_event` gave.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        return cls(_calls_of(Fields(event)))


@dataclass(frozen=True, slots=True)
class BatchChanged(_Plain):
    """The record of a batch was changed, and is in the output bucket as it is now."""

    TYPE: ClassVar[str] = "batch-changed"

    batch: str

    @classmethod
    def of(cls, event: object) -> Self:
        """Read what `to_event` gave.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        return cls(Fields(event).name("batch"))


# Why a worker leaves whose host EC2 takes back.
NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class WorkerLeaving(_Plain):
    """A worker is on its way out, and why."""

    TYPE: ClassVar[str] = "worker-leaving"

    why: str

    @classmethod
    def of(cls, event: object) -> Self:
        """Read what `to_event` gave.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        return cls(Fields(event).name("why"))


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """What Celery's own events of a worker say, as far as we read them.

    Attributes:
        active: tasks in hand.
        processed: tasks ever begun, those in hand among them.
    """

    active: int
    processed: int

    def to_event(self) -> dict[str, Any]:
        """Return the fields to send, as Celery does."""
        return asdict(self)

    @classmethod
    def of(cls, event: object) -> Self:
        """Read what Celery sends.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        said = Fields(event)
        return cls(said.count("active"), said.count("processed"))


@dataclass(frozen=True, slots=True)
class WorkerOnline(WorkerCounts):
    """A worker has come."""

    TYPE: ClassVar[str] = "worker-online"


@dataclass(frozen=True, slots=True)
class WorkerHeartbeat(WorkerCounts):
    """A worker lives."""

    TYPE: ClassVar[str] = "worker-heartbeat"


@dataclass(frozen=True, slots=True)
class WorkerOffline(WorkerCounts):
    """A worker has gone."""

    TYPE: ClassVar[str] = "worker-offline"


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """What Celery's own events say of a task's way through a worker, as far as we read them.

    Attributes:
        stage: ``received``, ``started``, ``succeeded``, ``failed``, ``retried``, ``rejected`` or ``revoked``.
        id: the task's.
        name: what task it is; Celery says so when it is received.
        runtime_s: how long it took, once it has succeeded.
        exception: the class of what it failed with.
    """

    TYPE: ClassVar[str] = "task-"

    stage: str
    id: str
    name: str | None = None
    runtime_s: float | None = None
    exception: str | None = None

    @classmethod
    def of(cls, event: dict[str, Any]) -> Self:
        """Read what Celery sends.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        said, stage = Fields(event), str(event["type"]).removeprefix(cls.TYPE)
        words = _CLASS.match(str(event.get("exception", "")))
        return cls(
            stage=stage,
            id=said.name("uuid"),
            name=said.name("name") if stage == "received" else None,
            runtime_s=said.number("runtime") if stage == "succeeded" else None,
            exception=words[0] if words and stage == "failed" else None,
        )


# The beginning of an exception, as Python writes it.
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,60}")

Announcement = (
    ScalingDecided
    | Swept
    | ImageClassified
    | ImageFailed
    | ImagesQueued
    | BatchChanged
    | WorkerLeaving
    | CallsMade
    | WorkerOnline
    | WorkerHeartbeat
    | WorkerOffline
)
KINDS: dict[str, type[Announcement]] = {kind.TYPE: kind for kind in get_args(Announcement)}


@dataclass(frozen=True, slots=True)
class Said:
    """An event: what is announced, and what Celery adds to that.

    Attributes:
        what: the announcement, or what Celery itself says of a task; None in an event of another kind.
        node: who said it; a worker's is ``<instance>@<host>``.
        at: when, by its own clock; seconds since 1970.
    """

    what: Announcement | TaskEvent | None
    node: str
    at: float

    @property
    def instance(self) -> str:
        """Return the instance of the worker that said it."""
        return self.node.partition("@")[0]

    @classmethod
    def of(cls, event: object) -> Self:
        """Read an event of any kind.

        Raises:
            MalformedAnnouncement: it is no event, or one of ours that is not as we send it.
        """
        said = Fields(event)
        type = said.name("type")
        kind: Any = TaskEvent if type.startswith(TaskEvent.TYPE) else KINDS.get(type)
        return cls(kind.of(event) if kind else None, said.name("hostname"), said.moment("timestamp"))


def clipped(text: str) -> str:
    """Return as much of a text as an announcement may carry."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def batches_of(said: Iterable[Fields]) -> tuple[BatchCost, ...]:
    """Read what batches have cost, each as ``asdict`` of it gave.

    Raises:
        MalformedAnnouncement: it is something else.
    """
    return tuple(BatchCost(one.name("id"), one.number("usd"), one.count("images")) for one in said)


def _cost_to_event(cost: FleetCost) -> dict[str, Any]:
    each = [{"id": id, "usd": usd} for id, usd in cost.each]
    return {**asdict(cost), "each": each, "batches": [asdict(batch) for batch in cost.batches]}


def _cost_of(said: Fields | None) -> FleetCost | None:
    if said is None:
        return None
    dollars = {name: said.number(name) for name in ("hour_usd", "day_usd", "total_usd")}
    each = tuple((one.name("id"), one.number("usd")) for one in said.maybe_parts("each"))
    batches = batches_of(said.maybe_parts("batches"))
    return FleetCost(
        priced_as=said.name("priced_as"), calls=_calls_of(said.part("calls")), each=each, batches=batches, **dollars
    )


def _calls_of(said: Fields) -> CallCounts:
    return CallCounts(*(said.count(name) for name in ("s3_put", "s3_get", "sqs_call", "sns_publish")))


def _life_of(said: Fields | None) -> Life | None:
    if said is None:
        return None
    times = {name: said.maybe_moment(name) for name in LIFE_TIMES}
    return Life(said.name("worker"), said.name("task"), said.count("receives"), said.moment("stored_at"), **times)


def _depth_of(said: Fields) -> QueueDepth:
    return QueueDepth(said.count("visible"), said.count("in_flight"), said.count("delayed"))


def _instance_to_event(instance: Instance) -> dict[str, Any]:
    heard_at = instance.heard_at.timestamp() if instance.heard_at else None
    launched_at = instance.launched_at.timestamp()
    return {"id": instance.id, "state": instance.state.value, "launched_at": launched_at, "heard_at": heard_at}


def _instance_of(said: Fields) -> Instance:
    try:
        state = InstanceState(said.name("state"))
    except ValueError:
        raise said.wrong("state") from None
    return Instance(said.name("id"), state, said.time("launched_at"), said.maybe_time("heard_at"))
