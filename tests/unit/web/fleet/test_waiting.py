"""What images wait for, said from what was heard of the fleet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.announcements import Said, WorkerHeartbeat, WorkerLeaving, WorkerOffline
from app.domain import Instance, InstanceState, QueueDepth
from tests.support.announcements import ANNOUNCEMENTS
from tests.support.clock import Clock
from tests.support.fleet import decision
from web.fleet.feed import HEARD_S, WORKER_S, FleetFeed
from web.fleet.waiting import Cause, Heard, why

AT = datetime(2026, 1, 1, tzinfo=UTC)
PENDING = Instance("i-1", InstanceState.PENDING, AT)
BOOTING = Instance("i-2", InstanceState.RUNNING, AT)
READY = Instance("i-3", InstanceState.RUNNING, AT, AT)
DRAINING = Instance("i-4", InstanceState.DRAINING, AT, AT)
NOW = AT.timestamp() + 10
NOTHING = {"launch": 0, "desired": 0, "fleet": ()}


def said(workers: int = 0, silent_s: float = 1.0, **decided: Any) -> tuple[str, str]:
    told = why(Heard(workers, decision(**decided) if decided else None, silent_s, HEARD_S, NOW))
    return told.code.value, told.says


@pytest.mark.parametrize(
    ("heard", "code", "says"),
    [
        ({"workers": 1}, "working", "a worker is there"),
        ({"workers": 3, "silent_s": 500.0}, "working", "3 workers are there"),
        ({}, "unheard", "nothing has been heard of workers or of the autoscaler yet"),
        (
            {"silent_s": 45.2},
            "no-autoscaler",
            "no worker is heard; the autoscaler has not been heard for 45 s, since this server began",
        ),
        (
            {"silent_s": 120.0, **NOTHING},
            "no-autoscaler",
            "no worker is heard; the autoscaler has not been heard for 2 min",
        ),
        (
            {"silent_s": 7500.0, "fleet": (READY,)},
            "no-autoscaler",
            "no worker is heard; the autoscaler has not been heard for 2 h",
        ),
        ({"fleet": (PENDING,), "boot_s": None}, "starting", "an instance is starting"),
        (
            {"fleet": (PENDING, BOOTING, DRAINING), "boot_s": 28.0},
            "starting",
            "2 instances are starting, first labels in about 20 s",
        ),
        ({"fleet": (PENDING,), "boot_s": 10.5}, "starting", "an instance is starting, first labels any moment now"),
        (
            {"fleet": (replace(PENDING, launched_at=AT + timedelta(seconds=60)),), "boot_s": 28.0},
            "starting",
            "an instance is starting, first labels in about 30 s",
        ),
        ({"fleet": (PENDING, READY)}, "working", "a worker is there"),
        ({**NOTHING, "launch": 2}, "launching", "no worker is running; the autoscaler is about to start one"),
        (
            {**NOTHING, "depth": QueueDepth(0, 0)},
            "unseen",
            "no worker is running; the autoscaler has not seen the images yet",
        ),
        (
            {**NOTHING, "held": True, "reason": "EC2 does not answer"},
            "held",
            "no worker is running; the autoscaler starts none: EC2 does not answer",
        ),
    ],
)
def test_what_images_wait_for_is_said_in_a_sentence(heard: dict[str, Any], code: str, says: str) -> None:
    assert said(**heard) == (code, says)


def test_a_server_that_hears_nothing_says_so() -> None:
    fleet = FleetFeed(Clock(1_800_000_000.0), listens=False)
    assert fleet.waiting().code is Cause.DEAF


def test_a_worker_counts_while_it_is_heard_and_stays() -> None:
    clock = Clock(1_800_000_000.0)
    fleet = FleetFeed(clock)

    def hear(*announced: Any) -> str:
        for what in announced:
            fleet.hear(Said(what, "i-1@host", 1.0))
        return fleet.waiting().code.value

    assert hear() == "unheard"
    assert hear(WorkerHeartbeat(1, 1)) == "working"
    assert hear(WorkerLeaving("idle")) == "unheard"
    assert hear(WorkerOffline(0, 1), WorkerHeartbeat(1, 1)) == "working"
    clock.now += WORKER_S + 1
    assert hear() == "no-autoscaler"
    assert hear(decision(fleet=(PENDING,))) == "starting"
    clock.now += HEARD_S
    assert hear() == "starting"
    clock.now += 1
    assert hear() == "no-autoscaler"


@given(st.lists(ANNOUNCEMENTS), st.floats(0, 1e6))
def test_whatever_was_heard_there_is_a_sentence_on_one_line(announced: list[Any], passed_s: float) -> None:
    clock = Clock(1_800_000_000.0)
    fleet = FleetFeed(clock)
    for what in announced:
        fleet.hear(Said(what, "i-1@host", 1.0))
    clock.now += passed_s
    told = fleet.waiting().to_json()
    assert set(told) == {"code", "says"}
    assert told["says"]
