"""The `deadline` policy, as a table of what it does and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState, Limits, Observation, QueueDepth
from autoscaler.policy import decide

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITS = Limits(ceiling=19, policy="deadline", target_s=60, service_rate=2.0, boot_s=30)


def ready(count: int, age_s: float = 300) -> tuple[Instance, ...]:
    return tuple(
        Instance(f"ready-{n}", InstanceState.RUNNING, NOW - timedelta(seconds=age_s + n), NOW) for n in range(count)
    )


def booting(count: int, age_s: float = 0) -> tuple[Instance, ...]:
    launched = NOW - timedelta(seconds=age_s)
    return tuple(Instance(f"booting-{n}", InstanceState.PENDING, launched) for n in range(count))


def seen(
    outstanding: int,
    fleet: tuple[Instance, ...] = (),
    ages_s: tuple[float, ...] = (0.0,),
    arrivals: float = 0.0,
    rate: float | None = None,
) -> Observation:
    depth = QueueDepth(visible=outstanding, in_flight=0)
    return Observation(NOW, depth, NOW, fleet, NOW, ages_s=ages_s, arrival_rate=arrivals, service_rate=rate)


@pytest.mark.parametrize(
    ("outstanding", "rate", "launch"),
    [(0, 2, 0), (1, 2, 1), (18, 2, 1), (19, 2, 2), (1000, 20, 6), (1000, 2, 19), (1000, 0.5, 19)],
)
def test_a_burst_on_an_empty_fleet_launches_as_few_as_finish_it_soon_after_their_boot(
    outstanding: int, rate: float, launch: int
) -> None:
    assert decide(seen(outstanding, rate=rate), LIMITS).launch == launch


def test_instances_that_still_boot_are_counted_with_the_time_that_they_lack() -> None:
    assert decide(seen(20, booting(2)), LIMITS).launch == 0
    assert decide(seen(20, booting(1)), LIMITS).launch == 1
    assert decide(seen(20, booting(1, age_s=20)), LIMITS).launch == 0


def test_an_old_image_is_more_urgent_than_a_new_one() -> None:
    quick = replace(LIMITS, boot_s=5)
    assert decide(seen(100, ready(2), ages_s=(0.0, 0.0)), quick).launch == 0
    assert decide(seen(100, ready(2), ages_s=(25.0, 20.0)), quick).launch > 0


def test_an_image_that_no_launch_can_save_does_not_launch_the_whole_fleet() -> None:
    assert decide(seen(1, ages_s=(500.0,)), LIMITS).launch == 1


def test_a_rise_in_arrivals_launches_before_anything_is_late() -> None:
    assert decide(seen(10, ready(2), arrivals=4.0), LIMITS).launch == 0
    assert decide(seen(10, ready(2), arrivals=12.0), LIMITS).launch > 0


def test_what_is_measured_replaces_what_was_believed() -> None:
    assert decide(seen(100, rate=0.5), LIMITS).launch > decide(seen(100), LIMITS).launch


def test_surplus_instances_are_asked_to_leave_the_longest_running_first() -> None:
    decision = decide(seen(2, ready(5), arrivals=3.0), LIMITS)
    assert decision.drain == ("ready-4", "ready-3", "ready-2")
    assert (decision.desired, decision.launch) == (2, 0)


def test_an_instance_that_could_be_needed_in_the_next_minutes_stays() -> None:
    assert decide(seen(2, ready(2), arrivals=3.0), LIMITS).drain == ()


def test_an_instance_that_boots_is_not_asked_to_leave() -> None:
    decision = decide(seen(0, ready(1) + booting(3, age_s=100)), LIMITS)
    assert not [id for id in decision.drain if id.startswith("booting")]


def test_a_fleet_without_work_keeps_one_which_leaves_by_itself() -> None:
    decision = decide(seen(0, ready(7)), LIMITS)
    assert (len(decision.drain), decision.desired) == (6, 1)


def test_the_reason_has_the_figures_that_it_was_decided_on() -> None:
    decision = decide(seen(100, ready(1), ages_s=(12.0, 3.0), arrivals=2.5, rate=2.0), LIMITS)
    assert decision.reason.startswith("100 outstanding, the oldest for 12 s, 2.5/s arriving, 2/s done by each of 1: ")
