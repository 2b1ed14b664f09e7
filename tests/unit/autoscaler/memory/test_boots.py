"""Telling instances that failed to boot from those that left after work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState
from autoscaler.memory.boots import LONG_ENOUGH_S, Boots, shortest_life_s
from autoscaler.values import FailedBoots

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def instance(id: str, launched_s: float = 0, state: InstanceState = InstanceState.RUNNING) -> Instance:
    return Instance(id, state, at(launched_s))


def test_instances_that_end_before_they_could_have_been_idle_count_as_failed_boots() -> None:
    boots = Boots(shortest_life_s=30)
    boots.see((instance("a"), instance("b")), at(1))
    gone = boots.see((), at(5))
    assert {one.id for one in gone} == {"a", "b"}
    assert boots.failed == FailedBoots(in_a_row=2, last_at=at(5))


def test_an_instance_that_ends_before_it_is_ever_seen_has_failed() -> None:
    boots = Boots(shortest_life_s=30)
    boots.see((), at(0))
    boots.launched([instance("a")])
    boots.see((), at(2))
    assert boots.failed == FailedBoots(in_a_row=1, last_at=at(2))


def test_an_instance_that_left_after_its_idle_time_has_not_failed() -> None:
    boots = Boots(shortest_life_s=30)
    boots.see((instance("a"),), at(1))
    boots.see((), at(31))
    assert boots.failed is None


def test_an_instance_that_was_asked_to_leave_has_not_failed() -> None:
    boots = Boots(shortest_life_s=30)
    boots.see((instance("a", state=InstanceState.DRAINING),), at(1))
    boots.see((), at(2))
    assert boots.failed is None


def test_one_instance_that_lives_long_enough_ends_the_row_of_failures() -> None:
    boots = Boots(shortest_life_s=30)
    boots.see((instance("a"), instance("b")), at(1))
    boots.see((instance("b"),), at(5))
    assert boots.failed == FailedBoots(in_a_row=1, last_at=at(5))
    boots.see((instance("b"),), at(31))
    assert boots.failed is None


@pytest.mark.parametrize(("idle_s", "shortest_s"), [(30, 30), (600, LONG_ENOUGH_S), (0, LONG_ENOUGH_S)])
def test_an_instance_has_lived_long_enough_once_it_could_have_been_idle_or_after_a_minute(
    idle_s: float, shortest_s: float
) -> None:
    assert shortest_life_s(idle_s) == shortest_s
