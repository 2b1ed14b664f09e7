"""What images wait for, from what was heard of the fleet: a code for programs, a sentence for people. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from math import ceil

from app.announcements import ScalingDecided
from app.domain import Instance, InstanceState

# What is told of a time to come, is told in steps: it is a guess.
STEP_S = 5


class Cause(StrEnum):
    """What keeps images waiting."""

    WORKING = "working"
    STARTING = "starting"
    LAUNCHING = "launching"
    UNSEEN = "unseen"
    HELD = "held"
    NO_AUTOSCALER = "no-autoscaler"
    UNHEARD = "unheard"
    DEAF = "deaf"


_THERE = {InstanceState.PENDING, InstanceState.RUNNING}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why images wait, as a code and in words."""

    code: Cause
    says: str

    def to_json(self) -> dict[str, str]:
        """Return the form that the API answers with."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of the fleet.

    Attributes:
        workers: how many are there and stay.
        decision: the autoscaler's newest; None if it was never heard.
        silent_s: seconds since that was heard; if it never was, since anybody listens.
        patience_s: seconds of silence after which there is no autoscaler.
        now: seconds since 1970.
        listens: whether this process hears of the fleet at all.
    """

    workers: int
    decision: ScalingDecided | None
    silent_s: float
    patience_s: float
    now: float
    listens: bool = True


def why(heard: Heard) -> Waiting:
    """Return what an image waits for that was queued just now."""
    if not heard.listens:
        return Waiting(Cause.DEAF, "this server hears nothing of the workers; the images are queued")
    if heard.workers:
        return _at_work(heard.workers)
    if heard.silent_s > heard.patience_s:
        since = "" if heard.decision else ", since this server began"
        silence = f"the autoscaler has not been heard for {_lasting(heard.silent_s)}{since}"
        return Waiting(Cause.NO_AUTOSCALER, f"no worker is heard; {silence}")
    if heard.decision is None:
        return Waiting(Cause.UNHEARD, "nothing has been heard of workers or of the autoscaler yet")
    return _decided(heard.decision, heard.now)


def _decided(decision: ScalingDecided, now: float) -> Waiting:
    """Say it in the words of an autoscaler that is there, while no worker was heard here."""
    there = [instance for instance in decision.fleet if instance.state in _THERE]
    starting = sum(instance.heard_at is None for instance in there)
    if len(there) > starting:
        return _at_work(len(there) - starting)
    if starting:
        says = "an instance is starting" if starting == 1 else f"{starting} instances are starting"
        return Waiting(Cause.STARTING, f"{says}{_first_labels(there, decision.boot_s, now)}")
    if decision.launch:
        return Waiting(Cause.LAUNCHING, "no worker is running; the autoscaler is about to start one")
    if not decision.held and not decision.depth.total:
        return Waiting(Cause.UNSEEN, "no worker is running; the autoscaler has not seen the images yet")
    return Waiting(Cause.HELD, f"no worker is running; the autoscaler starts none: {decision.reason}")


def _first_labels(there: list[Instance], boot_s: float | None, now: float) -> str:
    """Say when the instance that was launched first will have labels; nothing where nobody knows how long one takes."""
    if not boot_s:
        return ""
    launched_at = min(instance.launched_at.timestamp() for instance in there)
    # Hosts' clocks differ: it is no more than all of it that is left.
    left_s = min(boot_s, boot_s - (now - launched_at))
    if left_s < STEP_S:
        return ", first labels any moment now"
    return f", first labels in about {_lasting(STEP_S * ceil(left_s / STEP_S))}"


def _at_work(workers: int) -> Waiting:
    return Waiting(Cause.WORKING, "a worker is there" if workers == 1 else f"{workers} workers are there")


def _lasting(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{round(seconds / 3600)} h"
