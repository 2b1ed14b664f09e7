"""What was seen before, added to an observation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.memory.past import Past
from autoscaler.values import Estimates, FailedBoots, Heard, Heartbeat, Observation, Refusal

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def look(past: Past, now_s: float, *fleet: Instance, outstanding: int = 0, heard: Heard | None = None) -> Observation:
    depth = QueueDepth(outstanding, 0)
    heard = heard or Heard(since=START, at=at(now_s))
    return past.see(
        at=at(now_s), depth=depth, counted_at=at(now_s - 2), fleet=fleet, listed_at=at(now_s - 1), heard=heard
    )


def test_an_observation_has_what_was_seen_and_when() -> None:
    one = Instance("one", InstanceState.RUNNING, START)
    seen = look(Past(START, 30), 10, one, outstanding=5)
    assert (seen.at, seen.depth, seen.counted_at) == (at(10), QueueDepth(5, 0), at(8))
    assert (seen.fleet, seen.listed_at, seen.heard) == ((one,), at(9), Heard(since=START, at=at(10)))
    assert (seen.failed_boots, seen.refusal, seen.gone) == (None, None, ())


def test_rates_and_ages_are_those_of_all_looks_together() -> None:
    past = Past(START, 30)
    for second in range(0, 62, 2):
        beats = (Heartbeat("one", at(second), done=second, full=False),)
        heard = Heard(since=START, at=at(second), heartbeats=beats)
        seen = look(past, second, outstanding=2 * second, heard=heard)
    assert seen.estimates.arrival_rate == 3
    assert seen.estimates.ages_s[0] == 40


def test_where_workers_cannot_be_heard_nothing_is_estimated() -> None:
    past = Past(START, 30)
    known = [look(past, second, outstanding=2 * second, heard=Heard()).estimates for second in range(0, 62, 2)]
    assert set(known) == {Estimates()}


def test_an_instance_that_is_no_more_is_told_once_and_counts_if_it_was_never_heard() -> None:
    past = Past(START, 30)
    one = Instance("one", InstanceState.RUNNING, START)
    past.launched([one], START)
    seen = look(past, 5)
    assert (seen.gone, seen.failed_boots) == ((one,), FailedBoots(1, at(5)))
    again = look(past, 7)
    assert (again.gone, again.failed_boots) == ((), FailedBoots(1, at(5)))


def test_the_last_refusal_is_known_from_then_on() -> None:
    past = Past(START, 30)
    for second in (3, 9):
        past.refused(f"no room at {second}", at(second), 30)
    assert look(past, 10).refusal == Refusal("no room at 9", at(9), 60)


def test_each_refusal_in_a_row_doubles_the_pause_until_something_is_launched() -> None:
    past, pauses_s = Past(START, 30), []
    for _ in range(6):
        past.refused("throttled", START, 30)
        refusal = look(past, 1).refusal
        pauses_s.append(refusal.pause_s if refusal else 0)
    assert pauses_s == [30, 60, 120, 240, 300, 300]
    past.launched([Instance("one", InstanceState.RUNNING, START)], START)
    assert look(past, 2).refusal is None
    past.refused("throttled", START, 30)
    assert look(past, 3).refusal == Refusal("throttled", START, 30)


def test_of_many_that_were_refused_at_once_not_all_try_again_at_once() -> None:
    pauses_s = []
    for chance in (0.0, 0.5, 1.0):
        past = Past(START, 30)
        past.refused("throttled", START, 100, chance)
        refusal = look(past, 1).refusal
        pauses_s.append(refusal.pause_s if refusal else 0)
    assert pauses_s == pytest.approx([80, 100, 120])


def test_an_age_is_counted_from_the_launch_by_ones_own_clock() -> None:
    past = Past(START, 30)
    ahead = Instance("one", InstanceState.PENDING, at(120))
    past.launched([ahead], at(3))
    assert look(past, 10, ahead).fleet[0].launched_at == at(3)


def test_an_instance_that_gives_no_sign_for_the_boot_limit_is_given_up() -> None:
    past = Past(START, 30, boot_limit_s=100)
    one = Instance("one", InstanceState.RUNNING, START)
    assert look(past, 99, one).given_up == frozenset()
    assert look(past, 101, one).given_up == {"one"}
