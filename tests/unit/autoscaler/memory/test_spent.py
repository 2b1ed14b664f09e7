"""How many instance-hours a day has cost: each second of each instance counts once, for its own day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Instance, InstanceState
from autoscaler.memory.spent import Spent

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def one(launched_h: float, state: InstanceState = InstanceState.RUNNING) -> Instance:
    return Instance(f"one-{launched_h}", state, NOON + timedelta(hours=launched_h))


def test_each_instance_counts_from_its_launch_on() -> None:
    assert Spent(NOON).and_then([one(0), one(0.75)], NOON + timedelta(hours=1)).hours == pytest.approx(1.25)


def test_those_that_drain_count_and_those_that_have_ended_do_not() -> None:
    fleet = [one(-5, InstanceState.DRAINING), one(-5, InstanceState.TERMINATED)]
    assert Spent(NOON, 2.0).and_then(fleet, NOON + timedelta(hours=1)).hours == pytest.approx(3)


def test_a_day_begins_with_nothing_at_midnight_utc() -> None:
    before = Spent(NOON + timedelta(hours=11), 40.0)
    assert before.and_then([one(-1)], NOON + timedelta(hours=11.5)).hours == pytest.approx(40.5)
    assert before.and_then([one(-1)], NOON + timedelta(hours=14)).hours == pytest.approx(2)


def test_what_ran_while_nobody_looked_counts() -> None:
    assert Spent(NOON, 1.0).and_then([one(-9)], NOON + timedelta(hours=6)).hours == pytest.approx(7)


def test_a_clock_that_goes_back_takes_nothing_back() -> None:
    assert Spent(NOON, 1.0).and_then([one(-9)], NOON - timedelta(hours=1)) == Spent(NOON, 1.0)


@given(st.lists(st.floats(0.001, 3), max_size=12), st.lists(st.floats(-20, 20), max_size=5, unique=True))
def test_it_makes_no_difference_how_often_one_looks(steps_h: list[float], launches_h: list[float]) -> None:
    often = Spent(NOON)
    at = NOON
    for step_h in steps_h:
        at += timedelta(hours=step_h)
        often = often.and_then([one(h) for h in launches_h if one(h).launched_at <= at], at)
    once = Spent(NOON).and_then([one(h) for h in launches_h if one(h).launched_at <= at], at)
    assert often.hours == pytest.approx(once.hours, abs=1e-6)
