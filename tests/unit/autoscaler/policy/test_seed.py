"""One instance for each outstanding image."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.policy.seed import seed
from autoscaler.values import Limits, Observation

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def instances(count: int, state: InstanceState = InstanceState.RUNNING) -> tuple[Instance, ...]:
    return tuple(Instance(f"{state}-{n}", state, NOW - timedelta(minutes=5)) for n in range(count))


def seen(visible: int = 0, in_flight: int = 0, delayed: int = 0, fleet: tuple[Instance, ...] = ()) -> Observation:
    depth = QueueDepth(visible, in_flight, delayed)
    return Observation(at=NOW, depth=depth, counted_at=NOW, fleet=fleet, listed_at=NOW)


@pytest.mark.parametrize(
    ("outstanding", "there", "desired", "launch"),
    [
        ((0, 0, 0), 0, 0, 0),
        ((1, 0, 0), 0, 1, 1),
        ((19, 0, 0), 0, 19, 19),
        ((50, 0, 0), 0, 19, 19),
        ((3, 4, 5), 0, 12, 12),
        ((10, 5, 0), 6, 15, 9),
        ((2, 0, 0), 7, 7, 0),
        ((500, 0, 0), 19, 19, 0),
        ((500, 0, 0), 25, 19, 0),
    ],
)
def test_it_wants_one_instance_for_each_outstanding_image_up_to_the_ceiling(
    outstanding: tuple[int, int, int], there: int, desired: int, launch: int
) -> None:
    decision = seed(seen(*outstanding, fleet=instances(there)), Limits(19))
    assert (decision.desired, decision.launch, decision.held, decision.drain) == (desired, launch, False, ())


def test_an_instance_that_drains_takes_no_new_work_and_is_replaced() -> None:
    fleet = instances(2) + instances(3, InstanceState.DRAINING)
    assert seed(seen(visible=5, fleet=fleet), Limits(19)).launch == 3


def test_an_instance_that_still_boots_is_not_launched_again() -> None:
    assert seed(seen(visible=5, fleet=instances(5, InstanceState.PENDING)), Limits(19)).launch == 0


def test_instances_that_are_lost_are_replaced_and_counted_in_the_reason() -> None:
    decision = seed(seen(visible=3, fleet=instances(3)), Limits(19), lost=2)
    assert (decision.desired, decision.launch) == (5, 2)
    assert decision.reason.endswith("3 there, 2 of them lost")


def test_a_zero_leaves_those_that_are_there_to_leave_by_themselves() -> None:
    decision = seed(seen(fleet=instances(4)), Limits(19))
    assert (decision.desired, decision.launch, decision.drain) == (4, 0, ())
    assert decision.reason == "no image outstanding; 4 there, idle ones leave by themselves"


def test_the_reason_names_the_counts_and_the_ceiling() -> None:
    reason = seed(seen(visible=20, in_flight=3, delayed=1, fleet=instances(4)), Limits(19)).reason
    assert reason == (
        "24 outstanding (20 visible, 3 in flight, 1 delayed), one instance each, at the ceiling of 19; 4 there"
    )
