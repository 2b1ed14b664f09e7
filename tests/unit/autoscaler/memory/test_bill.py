"""Dollars as EC2 bills them: by the second from running on, a minute at least, to the day that it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState
from autoscaler.memory.bill import Bill

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
AN_HOUR = 3600.0  # dollars, so that a second costs one


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def one(launched_s: float, state: InstanceState = InstanceState.RUNNING, id: str = "i-0aaa") -> Instance:
    return Instance(id, state, after(launched_s))


def told(bill: Bill, *looks: tuple[float, list[Instance]]) -> Bill:
    for seconds, fleet in looks:
        bill = bill.and_then(fleet, after(seconds), lambda _: AN_HOUR)
    return bill


def test_a_minute_is_billed_at_least_and_then_each_second() -> None:
    begun = told(Bill(NOON), (0, []))
    assert told(begun, (10, [one(8)])).total_usd == 60
    assert told(begun, (10, [one(8)]), (50, [])).total_usd == 60, "it is gone before its minute is over"
    assert told(begun, (10, [one(8)]), (98, [one(8)])).total_usd == 90


def test_an_instance_that_starts_is_not_billed_before_it_runs() -> None:
    begun = told(Bill(NOON), (0, []), (10, [one(8, InstanceState.PENDING)]))
    assert begun.total_usd == 0
    assert told(begun, (12, [one(8)]), (110, [one(8)])).total_usd == pytest.approx(100)


def test_what_was_there_before_anybody_looked_costs_from_then_on() -> None:
    assert told(Bill(NOON), (0, [one(-500)]), (30, [one(-500)])).total_usd == 30


def test_one_that_drains_is_billed_and_one_that_has_ended_is_not() -> None:
    fleet = [one(-500, InstanceState.DRAINING), one(-500, InstanceState.TERMINATED, "i-0bbb")]
    bill = told(Bill(NOON), (0, fleet), (30, fleet))
    assert (bill.total_usd, bill.hour_usd) == (30, AN_HOUR)


def test_a_day_begins_with_nothing_and_the_whole_goes_on() -> None:
    late = Bill(after(12 * 3600 - 10), day_usd=7.0)
    bill = told(late, (12 * 3600 - 5, [one(0)]), (12 * 3600 + 5, [one(0)]))
    assert (bill.day_usd, bill.total_usd) == (10, 15)


def test_a_clock_that_goes_back_takes_nothing_back() -> None:
    bill = told(Bill(NOON), (0, [one(-500)]), (30, [one(-500)]))
    assert told(bill, (20, [one(-500)])).total_usd == 30


def test_each_instance_has_what_it_has_cost_since_its_launch() -> None:
    bill = told(Bill(NOON), (0, [one(-500)]), (30, [one(-500), one(28, id="i-0bbb")]))
    assert bill.each == {"i-0aaa": 530, "i-0bbb": 60}
    assert told(bill, (40, [one(28, id="i-0bbb")])).each == {"i-0bbb": 60}
