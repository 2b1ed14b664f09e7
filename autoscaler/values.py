"""The autoscaler's vocabulary as frozen values: what it saw, within what it decides, and what it decided. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain import Instance, InstanceState, QueueDepth


@dataclass(frozen=True, slots=True)
class Observation:
    """What the autoscaler saw, and when. Times are UTC.

    What a policy may know of the past is estimated, or None before there is ground for it: ``arrival_rate`` (images per
    second), ``service_rate`` (the same, of one busy instance), ``boot_s`` from a launch to a worker that is ready.
    ``ages_s`` are the ages of outstanding images at equal steps from the oldest to the newest; empty: all are new.

    ``failed_boots`` counts the instances in a row that ended before they could have done any work;
    ``failed_boot_at`` is when the last of them did. ``refusal`` says why a launch was refused at ``refused_at``.

    Workers tell of themselves by events. ``hearing_since`` is since when they are heard without a gap, None where they
    cannot be; ``heard_at`` when anything was heard last, the autoscaler's own events included; ``worker_heard_at`` when
    any worker was.
    """

    at: datetime
    depth: QueueDepth
    counted_at: datetime
    fleet: tuple[Instance, ...]
    listed_at: datetime
    failed_boots: int = 0
    failed_boot_at: datetime | None = None
    refusal: str = ""
    refused_at: datetime | None = None
    ages_s: tuple[float, ...] = ()
    arrival_rate: float | None = None
    service_rate: float | None = None
    boot_s: float | None = None
    hearing_since: datetime | None = None
    heard_at: datetime | None = None
    worker_heard_at: datetime | None = None

    @property
    def alive(self) -> tuple[Instance, ...]:
        """Return the instances that take work or soon will."""
        return tuple(i for i in self.fleet if i.state in (InstanceState.PENDING, InstanceState.RUNNING))

    def unheard_s(self, instance: Instance) -> float:
        """Return for how many seconds an instance could have been heard, and was not; 0 where none can be."""
        if self.hearing_since is None:
            return 0.0
        return (self.at - max(instance.heard_at or instance.launched_at, self.hearing_since)).total_seconds()

    def would_hear(self, instance: Instance, within_s: float) -> bool:
        """Return whether an instance's silence means something.

        It does if anything was heard in the last ``within_s`` seconds, and some worker since the instance was launched:
        then what workers say arrives.
        """
        if self.hearing_since is None or self.heard_at is None or self.worker_heard_at is None:
            return False
        return (self.at - self.heard_at).total_seconds() <= within_s and self.worker_heard_at >= instance.launched_at


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
        boot_s: seconds from a launch to a worker that is ready, believed until it is measured.
        boot_limit_s: an instance whose worker was not heard so many seconds after its launch is lost.
    """

    ceiling: int
    policy: str = "seed"
    stale_s: float = 15.0
    target_s: float = 60.0
    bill_s: float = 60.0
    service_rate: float = 2.0
    boot_s: float = 30.0
    boot_limit_s: float = 300.0


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """What the fleet should be, and why: ``launch`` more instances, ask those in ``drain`` to leave.

    ``held`` means that the observation was no ground to decide on: nothing changes.
    """

    desired: int
    launch: int
    reason: str
    drain: tuple[str, ...] = ()
    held: bool = False
