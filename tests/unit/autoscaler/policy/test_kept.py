"""What is kept whatever the load: a floor, and a buffer while there is one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import InstanceState
from autoscaler.policy import POLICIES, decide
from autoscaler.schedule import Floor
from autoscaler.values import Estimates, FailedBoots, Heard, Limits, Observation
from tests.unit.autoscaler.policy.test_policies import NOW, instances, observations, seen

HEARD = Heard(since=NOW - timedelta(hours=1), at=NOW, worker_at=NOW)
RATES = Estimates(service_rate=2.0, boot_s=30.0)


def at_least(floor: int, buffer: int = 0, **more: object) -> Limits:
    return Limits(19, "deadline", floor=Floor(floor), buffer=buffer, **more)  # type: ignore[arg-type]


def idle(count: int, **more: object) -> Observation:
    return seen(fleet=instances(count), heard=HEARD, estimates=RATES, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("there", "launch"), [(0, 3), (2, 1), (3, 0), (5, 0)])
def test_what_lacks_to_the_floor_is_launched_though_nothing_is_outstanding(there: int, launch: int) -> None:
    decision = decide(idle(there), at_least(3))
    assert decision.launch == launch
    assert decision.desired == 3
    assert "3 at least at this time" in decision.reason


def test_idle_instances_stay_up_to_the_floor_and_no_more() -> None:
    assert decide(idle(5), Limits(19, "seed", floor=Floor(2))).stay == ("running-True-0", "running-True-1")
    assert len(decide(idle(5), at_least(2)).stay) == 2
    assert decide(idle(5), at_least(0)).stay == ()


def test_an_outdated_instance_is_not_told_to_stay_so_that_another_replaces_it() -> None:
    old, *young = instances(3)
    observed = seen(fleet=(replace(old, outdated=True), *young), heard=HEARD)
    assert decide(observed, at_least(2)).stay == ("running-True-1", "running-True-2")


def test_nobody_is_asked_to_leave_below_the_floor() -> None:
    working = seen(visible=1, fleet=instances(6), heard=HEARD, estimates=RATES)
    assert len(decide(working, at_least(0)).drain) == 5
    decision = decide(working, at_least(4))
    assert len(decision.drain) == 2
    assert not set(decision.stay) & set(decision.drain)
    assert len(decision.stay) == 4


def test_a_broken_image_launches_one_at_a_time_for_the_floor_too() -> None:
    tripped = FailedBoots(3, NOW - timedelta(hours=2), tripped_at=NOW - timedelta(hours=3))
    assert decide(idle(0, failed_boots=tripped), at_least(5)).launch == 1


def test_a_buffer_is_there_beside_what_is_needed() -> None:
    load = seen(visible=400, fleet=instances(3), heard=HEARD, estimates=replace(RATES, arrival_rate=1.0))
    without, with_buffer = decide(load, at_least(1)), decide(load, at_least(1, buffer=2))
    assert without.launch > 0
    assert with_buffer.launch == without.launch + 2
    assert "and a buffer of 2" in with_buffer.reason


def test_without_load_a_buffer_is_what_is_there_and_stays() -> None:
    assert decide(idle(0), at_least(1, buffer=3)).launch == 3
    decision = decide(idle(5), at_least(1, buffer=3))
    assert (decision.launch, len(decision.stay)) == (0, 3)


def test_a_buffer_is_kept_only_while_there_is_a_floor() -> None:
    assert decide(idle(0), at_least(0, buffer=3)).launch == 0


def test_what_is_needed_and_a_buffer_are_not_asked_to_leave() -> None:
    load = seen(visible=1, fleet=instances(6), heard=HEARD, estimates=RATES)
    decision = decide(load, at_least(1, buffer=2))
    assert len(decision.drain) == 3
    assert len(decision.stay) == 3


@given(observations, st.integers(0, 25), st.integers(0, 25), st.sampled_from(sorted(POLICIES)))
def test_a_floor_and_a_buffer_never_make_a_fleet_smaller_nor_break_the_ceiling(
    observed: Observation, floor: int, buffer: int, policy: str
) -> None:
    limits = Limits(19, policy, floor=Floor(floor), buffer=buffer)
    plain, decision = decide(observed, Limits(19, policy)), decide(observed, limits)
    alive = [one.id for one in observed.alive]
    assert set(decision.stay) <= set(alive) - set(decision.drain)
    assert decision.launch + len(observed.fleet) <= max(19, len(observed.fleet))
    if not decision.held:
        left = len(alive) - len(decision.drain)
        assert left >= min(floor, 19, len(alive))
        room = max(0, 19 - len(observed.fleet))
        assert left + decision.launch >= min(floor, 19, len(alive) + room)
    if not floor:
        assert decision == plain


def test_draining_instances_do_not_count_to_the_floor() -> None:
    leaving = seen(fleet=instances(2, InstanceState.DRAINING), heard=HEARD)
    assert decide(leaving, at_least(2)).launch == 2
