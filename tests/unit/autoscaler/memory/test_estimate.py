"""What the estimator makes of counts whose truth the test knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.memory.estimate import AGES, Estimator
from autoscaler.values import Estimates, Heartbeat

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ready(count: int, boot_s: float = 30) -> tuple[Instance, ...]:
    return tuple(Instance(f"i-{n}", InstanceState.RUNNING, START, at(boot_s)) for n in range(count))


def steady(arrivals: float, done: float, seconds: int, full: bool = False) -> Estimates:
    """Arrivals and completions by one worker at constant rates, seen every two seconds."""
    estimator = Estimator(START)
    for second in range(0, seconds + 1, 2):
        completed = round(done * second)
        estimator.hear([Heartbeat("i-0", at(second), completed, full)], at(second))
        known = estimator.see(at(second), QueueDepth(round(arrivals * second) - completed, 0), ready(1))
    return known


def test_arrivals_are_told_apart_from_completions() -> None:
    assert steady(arrivals=5, done=3, seconds=60).arrival_rate == pytest.approx(5, rel=0.05)


def test_a_rise_in_arrivals_is_seen_within_seconds() -> None:
    estimator = Estimator(START)
    for second in range(0, 62, 2):
        known = estimator.see(at(second), QueueDepth(second, 0), ready(1))
    assert known.arrival_rate == pytest.approx(1, rel=0.05)
    for second in range(62, 68, 2):
        known = estimator.see(at(second), QueueDepth(60 + (second - 60) * 10, 0), ready(1))
    assert known.arrival_rate == pytest.approx(10, rel=0.1)


def test_a_burst_is_not_expected_to_go_on() -> None:
    estimator = Estimator(START)
    for second in range(0, 62, 2):
        known = estimator.see(at(second), QueueDepth(second + (1000 if second >= 50 else 0), 0), ready(1))
    assert known.arrival_rate == pytest.approx(1, rel=0.2)


def test_the_service_rate_is_measured_from_the_workers_whose_hands_are_full() -> None:
    assert steady(arrivals=10, done=2, seconds=60, full=True).service_rate == pytest.approx(2, rel=0.05)


def test_a_worker_with_a_hand_free_says_nothing_of_the_service_rate() -> None:
    assert steady(arrivals=1, done=1, seconds=60, full=False).service_rate is None


def test_what_a_worker_has_done_counts_after_it_has_left() -> None:
    estimator = Estimator(START)
    for second in range(0, 32, 2):
        estimator.hear([Heartbeat("i-0", at(second), min(second, 10), full=False)], at(second))
        estimator.hear(
            [Heartbeat("i-1", at(second), max(0, second - 10), full=False)] if second >= 10 else [], at(second)
        )
        known = estimator.see(at(second), QueueDepth(second * 4 - second, 0), ready(1))
    assert known.arrival_rate == pytest.approx(4, rel=0.05)


def test_the_ages_are_those_of_the_images_that_are_left() -> None:
    known = steady(arrivals=4, done=2, seconds=60)
    # 120 of 240 are left: the oldest came at 30 s, the newest now.
    assert len(known.ages_s) == AGES
    assert known.ages_s[0] == pytest.approx(30, abs=3)
    assert known.ages_s[AGES // 2] == pytest.approx(15, abs=3)
    assert known.ages_s[-1] == pytest.approx(0, abs=3)


def test_a_burst_is_of_one_age() -> None:
    estimator = Estimator(START)
    for second in range(0, 22, 2):
        known = estimator.see(at(second), QueueDepth(0 if second < 10 else 100, 0), ())
    assert known.ages_s[0] == pytest.approx(11, abs=2)
    assert known.ages_s[-1] == pytest.approx(11, abs=2)


def test_an_empty_queue_has_no_ages() -> None:
    assert steady(arrivals=2, done=2, seconds=20).ages_s == ()


def test_the_boot_time_is_that_of_the_instances_that_became_ready() -> None:
    estimator = Estimator(START)
    booting = (Instance("i-0", InstanceState.PENDING, START),)
    assert estimator.see(at(0), QueueDepth(1, 0), booting).boot_s is None
    assert estimator.see(at(30), QueueDepth(1, 0), booting).boot_s is None
    assert estimator.see(at(40), QueueDepth(1, 0), ready(1, boot_s=36)).boot_s == pytest.approx(36)


def test_one_slow_boot_says_nothing_of_the_next() -> None:
    estimator = Estimator(START)
    took_s = [30, 32, 90, 31]
    fleet = [Instance(f"i-{n}", InstanceState.PENDING, START) for n in range(len(took_s))]
    for second in range(0, 100, 2):
        fleet = [
            replace(one, state=InstanceState.RUNNING, heard_at=at(boot_s)) if boot_s <= second else one
            for one, boot_s in zip(fleet, took_s, strict=True)
        ]
        known = estimator.see(at(second), QueueDepth(1, 0), tuple(fleet))
    assert known.boot_s == pytest.approx(31.5)


def test_one_that_did_not_look_for_long_does_not_take_that_for_a_long_boot() -> None:
    estimator = Estimator(START)
    estimator.see(at(10), QueueDepth(1, 0), (Instance("i-0", InstanceState.PENDING, START),))
    assert estimator.see(at(2400), QueueDepth(1, 0), ready(1, boot_s=2400)).boot_s is None


@pytest.mark.parametrize("ahead_s", [3600, -3600], ids=["ahead", "behind"])
def test_a_worker_whose_clock_was_set_is_measured_as_before(ahead_s: int) -> None:
    estimator = Estimator(START)
    for second in range(0, 122, 2):
        said_at = at(second + (ahead_s if second == 60 or (second > 60 and ahead_s < 0) else 0))
        estimator.hear([Heartbeat("i-0", said_at, 2 * second, full=True)], at(second))
        known = estimator.see(at(second), QueueDepth(second, 0), ready(1))
    assert known.service_rate == pytest.approx(2, rel=0.05)
    assert known.arrival_rate == pytest.approx(3, rel=0.05)


def test_a_worker_whose_clock_is_hours_behind_is_not_forgotten() -> None:
    estimator = Estimator(START)
    for second in range(0, 62, 2):
        estimator.hear([Heartbeat("i-0", at(second - 20_000), 2 * second, full=False)], at(second))
        known = estimator.see(at(second), QueueDepth(second, 0), ready(1))
    assert known.arrival_rate == pytest.approx(3, rel=0.05)


def test_an_instance_that_was_there_before_says_nothing_of_the_boot_time() -> None:
    assert Estimator(START).see(at(40), QueueDepth(1, 0), ready(1, boot_s=36)).boot_s is None
    before = Instance("i-0", InstanceState.RUNNING, at(-3600))
    estimator = Estimator(START)
    estimator.see(at(0), QueueDepth(1, 0), (before,))
    assert estimator.see(at(2), QueueDepth(1, 0), (replace(before, heard_at=at(1)),)).boot_s is None


def test_what_was_done_before_anybody_listened_is_no_arrival() -> None:
    estimator = Estimator(START)
    for second in range(0, 30, 2):
        estimator.hear([Heartbeat("i-0", at(second), 5000 + second, full=False)] if second >= 4 else [], at(second))
        known = estimator.see(at(second), QueueDepth(2, 0), ready(1))
    assert known.arrival_rate == pytest.approx(1, rel=0.3)


def test_a_heartbeat_that_a_later_one_has_overtaken_changes_nothing() -> None:
    orders = ([0, 1, 2, 3, 4], [0, 2, 1, 4, 3])
    known = []
    for order in orders:
        estimator = Estimator(START)
        estimator.hear((Heartbeat("i-0", at(10 * n), 20 * n, full=True) for n in order), at(50))
        known.append(estimator.see(at(40), QueueDepth(0, 0), ready(1)).service_rate)
    assert known == [pytest.approx(2), pytest.approx(2)]


def test_a_worker_that_began_anew_on_its_instance_is_not_taken_for_one_that_undid_its_work() -> None:
    estimator = Estimator(START)
    for n, done in enumerate([0, 20, 40, 10, 30]):
        estimator.hear([Heartbeat("i-0", at(10 * n), done, full=True)], at(10 * n))
    assert estimator.see(at(40), QueueDepth(0, 0), ready(1)).service_rate == pytest.approx(2)


def test_the_seconds_until_an_instance_runs_are_learnt_from_those_seen_to_start() -> None:
    estimator = Estimator(START)
    pending = Instance("i-1", InstanceState.PENDING, START)
    running = Instance("i-1", InstanceState.RUNNING, START)
    assert estimator.see(START + timedelta(seconds=2), QueueDepth(0, 0), (pending,)).pending_s is None
    assert estimator.see(START + timedelta(seconds=12), QueueDepth(0, 0), (running,)).pending_s == 12
    older = Instance("i-2", InstanceState.RUNNING, START - timedelta(seconds=500))
    assert estimator.see(START + timedelta(seconds=14), QueueDepth(0, 0), (running, older)).pending_s == 12


def test_what_is_expected_follows_what_was_learnt_of_bursts() -> None:
    estimator, came = Estimator(START), 0
    for step in range(1800):
        came += 20 if step % 60 < 15 else 0
        known = estimator.see(START + timedelta(seconds=2 * step), QueueDepth(came, 0), ())
    assert known.expected_rate is not None
    assert known.expected_rate > (known.arrival_rate or 0) + 0.5, "a burst is about to come"


@pytest.mark.parametrize("full", [True, False])
def test_a_worker_that_claims_more_than_any_could_do_is_no_burst_of_arrivals(full: bool) -> None:
    estimator = Estimator(START)
    for second in range(0, 600, 2):
        done = 2 * second + (10**9 if second >= 300 else 0)
        estimator.hear([Heartbeat("i-0", at(second), done, full)], at(second))
        known = estimator.see(at(second), QueueDepth(10, 0), ready(1))
    assert known.arrival_rate == pytest.approx(2, rel=0.05)
    assert known.expected_rate == pytest.approx(2, rel=0.5)
    assert known.service_rate == (pytest.approx(2, rel=0.2) if full else None)


def test_workers_that_turn_out_far_faster_than_measured_are_believed_before_long() -> None:
    estimator = Estimator(START)
    done = 0
    for second in range(0, 900, 2):
        estimator.hear([Heartbeat("i-0", at(second), done, True)], at(second))
        known = estimator.see(at(second), QueueDepth(10, 0), ready(1))
        done += 2 if second < 100 else 200
    assert known.service_rate == pytest.approx(100, rel=0.2)
