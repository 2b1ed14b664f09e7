"""The autoscaler's vocabulary as frozen values: what it saw, within what it decides, and what it decided. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.brakes import Brake, holding
from app.domain import FleetCost, Instance, InstanceState, QueueDepth
from autoscaler.schedule import NO_FLOOR, Floor


@dataclass(frozen=True, slots=True)
class Launches:
    """What came of all launches so far: instances, and attempts that brought none."""

    came: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a worker says of itself every few seconds.

    Attributes:
        instance: where it runs.
        at: when it said so, by its own clock.
        done: images that it has finished.
        full: whether it has as much in hand as it can work on.
    """

    instance: str
    at: datetime
    done: int
    full: bool


@dataclass(frozen=True, slots=True)
class Voice:
    """A worker, as it was last heard.

    Attributes:
        node: its name in Celery's remote control, ``<instance>@<host>``.
        first_at: when it was first heard, by this process's clock; after a goodbye, when it came anew.
        at: when it was heard last, by the same clock.
        said_at: when it said so, by its own clock; seconds since 1970.
        leaving: whether it has said goodbye.
    """

    node: str
    first_at: datetime
    at: datetime
    said_at: float
    leaving: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What workers tell of themselves by events; with nothing given, they cannot be heard.

    Attributes:
        since: since when they are heard without a gap, UTC.
        at: when anything was heard last, the autoscaler's own events included, UTC.
        worker_at: when any worker was, UTC.
        voices: the workers, by instance.
        heartbeats: those since the last time that they were asked for.
        waits_s: of images done since then, the seconds from their upload.
    """

    since: datetime | None = None
    at: datetime | None = None
    worker_at: datetime | None = None
    voices: Mapping[str, Voice] = field(default_factory=dict)
    heartbeats: tuple[Heartbeat, ...] = ()
    waits_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What a policy may know of the past; None before there is ground for it.

    Attributes:
        ages_s: the ages of outstanding images, in seconds, at equal steps from the oldest to the newest; empty: all are
            new.
        arrival_rate: images per second.
        expected_rate: the same of about the next minute.
        pending_s: seconds from a launch to an instance that is billed.
        service_rate: images per second of one busy instance.
        boot_s: seconds from a launch to a worker that is ready.
        disorder: how many times as long as in the queue's order the slowest images wait.
    """

    ages_s: tuple[float, ...] = ()
    arrival_rate: float | None = None
    expected_rate: float | None = None
    pending_s: float | None = None
    service_rate: float | None = None
    boot_s: float | None = None
    disorder: float | None = None


# A boot may take so many times what boots have taken.
SLOW_BOOTS = 3.0


@dataclass(frozen=True, slots=True)
class FailedBoots:
    """Instances in a row that did not come to work.

    Attributes:
        in_a_row: how many.
        last_at: when the last was found to have failed, UTC.
        tripped_at: since when the breaker is open, UTC; None: it is closed, and launches go on.
        probes: how many single instances have failed since then.
        probe: the instance that is waited for meanwhile; empty: none.
        surplus: the instances that are to be ended beside it.
    """

    in_a_row: int
    last_at: datetime
    tripped_at: datetime | None = None
    probes: int = 0
    probe: str = ""
    surplus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A launch that was refused: why, in words, when (UTC), and for how many seconds none is tried again."""

    reason: str
    at: datetime
    pause_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the autoscaler saw, and when. Times are UTC.

    Attributes:
        at: when it was put together.
        depth: SQS's counts, as of ``counted_at``.
        fleet: the instances, as of ``listed_at``.
        estimates: what the past tells.
        heard: what workers say.
        failed_boots: those since the last instance that came to work; None when there was none.
        refusal: the last launch that was refused; None when none was.
        given_up: the ids of instances that gave no sign for a boot limit.
        gone: the instances that were there at the last observation and are no more.
        spent_h: instance-hours of this day, UTC.
        cost: what the fleet costs; None where nobody counts it.
        spot_resting: whether so many spot instances were taken back that on demand comes first.
        waiting: what is visible in each queue, by its name.
    """

    at: datetime
    depth: QueueDepth
    counted_at: datetime
    fleet: tuple[Instance, ...]
    listed_at: datetime
    estimates: Estimates = Estimates()
    heard: Heard = Heard()
    failed_boots: FailedBoots | None = None
    refusal: Refusal | None = None
    given_up: frozenset[str] = frozenset()
    gone: tuple[Instance, ...] = ()
    spent_h: float = 0.0
    cost: FleetCost | None = None
    spot_resting: bool = False
    waiting: Mapping[str, int] = field(default_factory=dict)

    @property
    def alive(self) -> tuple[Instance, ...]:
        """Return the instances that take work or soon will."""
        return tuple(i for i in self.fleet if i.state in (InstanceState.PENDING, InstanceState.RUNNING))

    def without(self, instances: Iterable[Instance]) -> Observation:
        """Return what would be seen if these instances were not there."""
        gone = {one.id for one in instances}
        return replace(self, fleet=tuple(one for one in self.fleet if one.id not in gone))

    @property
    def breaker_open(self) -> bool:
        """Return whether instances do not come to work, so that one alone is launched at a time."""
        return self.failed_boots is not None and self.failed_boots.tripped_at is not None

    def over_budget(self, limits: Limits) -> bool:
        """Return whether the day's instance-hours are used up."""
        return 0 < limits.budget_h <= self.spent_h

    def brakes(self, limits: Limits) -> tuple[Brake, ...]:
        """Return what holds launches back."""
        return holding(breaker=self.breaker_open, budget=self.over_budget(limits), spot=self.spot_resting)

    def age_s(self, then: datetime) -> float:
        """Return the seconds from ``then`` to this observation."""
        return (self.at - then).total_seconds()

    def boot_limit_s(self, limits: Limits) -> float:
        """Return how many seconds a boot may take: what is set, or more where boots are slow."""
        return max(limits.boot_limit_s, SLOW_BOOTS * (self.estimates.boot_s or 0.0))

    def unheard_s(self, instance: Instance) -> float:
        """Return for how many seconds an instance could have been heard, and was not; 0 where none can be."""
        if self.heard.since is None:
            return 0.0
        return self.age_s(max(instance.heard_at or instance.launched_at, self.heard.since))

    def would_hear(self, instance: Instance, within_s: float) -> bool:
        """Return whether an instance's silence means something.

        It does if anything was heard in the last ``within_s`` seconds, and some worker since the instance was launched:
        then what workers say arrives.
        """
        heard = self.heard
        if heard.since is None or heard.at is None or heard.worker_at is None:
            return False
        return self.age_s(heard.at) <= within_s and heard.worker_at >= instance.launched_at


def oldest_first(instances: Iterable[Instance]) -> list[Instance]:
    """Return instances by their launch, and by their ids where that was at one time."""
    return sorted(instances, key=lambda one: (one.launched_at, one.id))


# A service rate that nobody has measured may be so many times higher than it is believed.
UNSURE = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Within what a policy decides.

    Attributes:
        ceiling: instances at most.
        policy: its name.
        stale_s: an older count or list, in seconds, is not acted upon.
        target_s: an image shall be done this many seconds after its upload.
        bill_s: no instance is asked to leave within so many seconds of its launch: EC2 bills a minute at least.
        service_rate: images per second and instance, believed until it is measured.
        unsure: by how many times the service rate may be higher than believed. Before it is measured no more are
            launched than such a rate needs: the first worker tells the truth within seconds.
        boot_s: seconds from a launch to a worker that is ready, believed until it is measured.
        boot_limit_s: an instance whose worker was not heard so many seconds after its launch is lost.
        floor: instances at least, also idle ones.
        buffer: while there is a floor, instances beyond what is needed.
        rest_s: where one instance has little to do, it leaves, and one is launched when an image has waited so many
            seconds; 0: it stays while anything comes.
        budget_h: instance-hours of one day, UTC, after which nothing is launched; 0: no matter how many.
    """

    ceiling: int
    policy: str = "seed"
    stale_s: float = 15.0
    target_s: float = 60.0
    bill_s: float = 60.0
    service_rate: float = 2.0
    boot_s: float = 30.0
    boot_limit_s: float = 300.0
    unsure: float = 1.0
    floor: Floor = NO_FLOOR
    buffer: int = 0
    rest_s: float = 0.0
    budget_h: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingDecision:
    """What the fleet should be, and why.

    Attributes:
        desired: how many instances there should be.
        launch: how many more to launch.
        drain: the ids of those to ask to leave.
        reason: why, in words.
        held: whether the observation was no ground to decide on: nothing changes.
        paused: whether launches alone are held.
        stay: the ids of those that shall not leave though they are idle.
    """

    desired: int
    reason: str
    launch: int = 0
    drain: tuple[str, ...] = ()
    held: bool = False
    paused: bool = False
    stay: tuple[str, ...] = ()
