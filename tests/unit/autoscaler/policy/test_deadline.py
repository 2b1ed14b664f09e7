"""The `deadline` policy, as a table of what it does and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.policy import decide
from autoscaler.values import Estimates, Heard, Limits, Observation

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITS = Limits(ceiling=19, policy="deadline", target_s=60, service_rate=2.0, boot_s=30)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def ready(count: int, age_s: float = 300) -> tuple[Instance, ...]:
    return tuple(Instance(f"ready-{n}", InstanceState.RUNNING, ago(age_s + n), NOW) for n in range(count))


def booting(count: int, age_s: float = 0) -> tuple[Instance, ...]:
    return tuple(Instance(f"booting-{n}", InstanceState.PENDING, ago(age_s)) for n in range(count))


HEARD = Heard(since=ago(3600), at=NOW, worker_at=NOW)


def seen(
    outstanding: int,
    fleet: tuple[Instance, ...] = (),
    ages_s: tuple[float, ...] = (0.0,),
    arrivals: float = 0.0,
    rate: float | None = None,
    heard: Heard = HEARD,
) -> Observation:
    return Observation(
        at=NOW,
        depth=QueueDepth(visible=outstanding, in_flight=0),
        counted_at=NOW,
        fleet=fleet,
        listed_at=NOW,
        estimates=Estimates(ages_s=ages_s, arrival_rate=arrivals, service_rate=rate),
        heard=heard,
    )


@pytest.mark.parametrize(
    ("outstanding", "rate", "launch"),
    [(0, 2, 0), (1, 2, 1), (36, 2, 1), (37, 2, 2), (1000, 20, 3), (1000, 2, 19), (1000, 0.5, 19)],
)
def test_a_burst_on_an_empty_fleet_launches_as_few_as_finish_it_soon_after_their_boot(
    outstanding: int, rate: float, launch: int
) -> None:
    assert decide(seen(outstanding, rate=rate), LIMITS).launch == launch


def test_instances_that_still_boot_are_counted_with_the_time_that_they_lack() -> None:
    assert decide(seen(37, booting(2)), LIMITS).launch == 0
    assert decide(seen(37, booting(1)), LIMITS).launch == 1
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
    decision = decide(seen(0, ready(1) + booting(3, age_s=50)), LIMITS)
    assert not [id for id in decision.drain if id.startswith("booting")]


def test_a_fleet_without_work_keeps_one_which_leaves_by_itself() -> None:
    decision = decide(seen(0, ready(7)), LIMITS)
    assert (len(decision.drain), decision.desired) == (6, 1)


def test_the_reason_has_the_figures_that_it_was_decided_on() -> None:
    decision = decide(seen(100, ready(1), ages_s=(12.0, 3.0), arrivals=2.5, rate=2.0), LIMITS)
    assert decision.reason.startswith("100 outstanding, the oldest for 12 s, 2.5/s arriving, 2/s done by each of 1: ")


def test_without_a_way_to_hear_workers_it_goes_by_one_instance_for_each_image_and_says_so() -> None:
    decision = decide(seen(100, ready(2), heard=Heard()), LIMITS)
    assert (decision.launch, decision.drain) == (17, ())
    assert decision.reason.startswith("workers cannot be heard, so one instance for each image: 100 outstanding")


@pytest.mark.parametrize(
    ("boot_s", "in_flight", "deaf"), [(59, 4, False), (61, 4, True), (61, 0, False)], ids=["boots", "works", "is dead"]
)
def test_where_somebody_works_and_is_not_heard_it_goes_by_one_instance_for_each_image(
    boot_s: float, in_flight: int, deaf: bool
) -> None:
    looked = seen(9, booting(1, age_s=boot_s), heard=replace(HEARD, worker_at=ago(500)))
    decision = decide(replace(looked, depth=QueueDepth(9 - in_flight, in_flight)), LIMITS)
    assert (decision.launch == 8, "no worker was heard though 1 should have been" in decision.reason) == (deaf, deaf)


def test_two_boots_that_take_longer_than_believed_are_believed_and_one_alone_is_stuck() -> None:
    unheard = replace(HEARD, worker_at=None)
    assert decide(seen(40, booting(1, age_s=90), heard=unheard), LIMITS).launch == 2
    assert decide(seen(40, booting(2, age_s=90), heard=unheard), LIMITS).launch == 0


def test_slow_boots_do_not_have_arrivals_grow_without_end() -> None:
    slow = replace(LIMITS, boot_s=300)
    assert decide(seen(10, ready(4), arrivals=6.5), slow).launch == 0


def test_a_worker_that_was_not_listened_to_for_long_may_still_be_heard() -> None:
    restarted = seen(9, booting(3, age_s=3600), heard=Heard(since=ago(5)))
    assert decide(restarted, LIMITS).reason.endswith("as it should be")


@pytest.mark.parametrize(("age_s", "launch"), [(59, 0), (61, 1)])
def test_an_instance_that_is_lost_for_all_that_can_be_told_keeps_no_image_waiting_for_ever(
    age_s: float, launch: int
) -> None:
    alone = seen(1, booting(1, age_s=age_s), heard=replace(HEARD, worker_at=None))
    assert decide(alone, LIMITS).launch == launch


def test_an_instance_whose_silence_means_something_does_not_count_as_a_help() -> None:
    silent = replace(ready(1)[0], id="silent", heard_at=ago(40))
    never = replace(booting(1, age_s=100)[0], id="never")
    quick = replace(LIMITS, boot_s=10)
    for one in (silent, never):
        decision = decide(seen(100, (*ready(2), one), ages_s=(0.0, 0.0)), quick)
        assert decision.launch == decide(seen(100, ready(2), ages_s=(0.0, 0.0)), quick).launch
        assert "; 1 more are not heard" in decision.reason


def test_a_worker_whose_silence_means_something_is_not_the_one_that_is_kept() -> None:
    silent = replace(ready(1)[0], id="silent", heard_at=ago(40))
    assert decide(seen(0, (*ready(1), silent)), LIMITS).drain == ()


def test_the_last_worker_that_is_heard_stays_until_another_is() -> None:
    assert decide(seen(1, ready(1) + booting(2, age_s=29)), LIMITS).drain == ()


@pytest.mark.parametrize(("oldest_s", "leaving"), [(5.0, 3), (30.0, 0), (100.0, 0)])
def test_nobody_is_asked_to_leave_while_an_image_waits_for_so_long_that_a_new_launch_would_be_late(
    oldest_s: float, leaving: int
) -> None:
    assert len(decide(seen(4, ready(4), ages_s=(oldest_s, 0.0)), LIMITS).drain) == leaving


def test_where_a_boot_takes_longer_than_an_image_may_wait_nobody_leaves_while_one_does() -> None:
    assert decide(seen(4, ready(4), arrivals=3.0), LIMITS).drain
    slow = replace(LIMITS, boot_s=200)
    assert not decide(seen(4, ready(4), arrivals=3.0), slow).drain
    assert decide(seen(0, ready(4)), slow).drain


def test_those_who_stay_keep_up_with_what_arrives_though_a_while_of_fewer_would_be_in_time() -> None:
    assert len(decide(seen(1, ready(5), arrivals=6.5), LIMITS).drain) == 1
    assert len(decide(seen(1, ready(5), arrivals=5.8), LIMITS).drain) == 2


def test_nobody_leaves_who_would_be_launched_anew() -> None:
    def disordered(count: int) -> Observation:
        now = seen(2, ready(count), ages_s=(2.0, 0.0), arrivals=6.5)
        return replace(now, estimates=replace(now.estimates, disorder=3.0))

    left = 7 - len(decide(disordered(7), LIMITS).drain)
    assert 3 < left < 7
    assert decide(disordered(left), LIMITS).launch == 0


def test_what_is_expected_counts_and_not_what_arrives_now() -> None:
    now = seen(10, ready(2), arrivals=30.0)
    assert decide(now, LIMITS).launch
    falls_back = replace(now, estimates=replace(now.estimates, expected_rate=1.0))
    decision = decide(falls_back, LIMITS)
    assert decision.launch == 0
    assert "30/s arriving and 1/s expected" in decision.reason


RESTING = replace(LIMITS, rest_s=10)


def test_who_may_rest_is_launched_when_an_image_has_waited_so_long_and_else_at_once() -> None:
    assert decide(seen(1, rate=20), LIMITS).launch == 1
    assert decide(seen(1, rate=20, arrivals=1), RESTING).launch == 0
    assert decide(seen(8, rate=20, arrivals=1, ages_s=(9.9, 0.0)), RESTING).launch == 0
    assert decide(seen(9, rate=20, arrivals=1, ages_s=(10.0, 0.0)), RESTING).launch == 1


def test_with_more_to_do_than_one_does_after_its_rest_it_is_launched_at_once() -> None:
    assert decide(seen(1, rate=2, arrivals=1), RESTING).launch == 1
    assert decide(seen(500, rate=20), RESTING).launch >= 1
    assert decide(seen(1, rate=20), replace(RESTING, target_s=40)).launch == 1


def test_the_last_instance_leaves_to_rest_once_its_minute_is_paid_and_never_without_the_setting() -> None:
    assert decide(seen(1, ready(1), rate=20, arrivals=1), RESTING).drain == ("ready-0",)
    assert not decide(seen(1, ready(1, age_s=50), rate=20, arrivals=1), RESTING).drain
    assert not decide(seen(1, ready(1), rate=20, arrivals=1), LIMITS).drain
    assert not decide(seen(1, ready(1) + booting(1), rate=20, arrivals=1), RESTING).drain
    assert not decide(seen(9, ready(1), rate=20, arrivals=1, ages_s=(11.0, 0.0)), RESTING).drain


def test_a_paid_minute_begins_when_an_instance_runs_not_at_its_launch() -> None:
    old = tuple(replace(instance, launched_at=ago(65)) for instance in ready(3))
    now = seen(1, old)
    assert decide(now, LIMITS).drain
    later = replace(now, estimates=replace(now.estimates, pending_s=10.0))
    assert not decide(later, LIMITS).drain


def test_images_out_of_order_need_no_margin_where_any_order_is_in_time() -> None:
    # 18 s after its boot, of the 60, an instance has done 36; in its order alone it would be allowed 9 s.
    assert decide(seen(36), LIMITS).launch == 1
    # The second image came 20 s ago: no order but its own has it done in time, and that margin is larger.
    assert decide(seen(36, ages_s=(20.0, 0.0)), LIMITS).launch > 1


@pytest.mark.parametrize(("disorder", "launches"), [(1.0, False), (None, True), (3.0, True)])
def test_the_further_from_its_order_the_queue_hands_out_the_more_of_the_target_is_kept_for_that(
    disorder: float | None, launches: bool
) -> None:
    quick = replace(LIMITS, boot_s=5)
    # The last is done in 42 s: of the 60, 45 are left where the order is kept, and 39 where nothing is known of it.
    now = seen(170, ready(2), ages_s=(10.0, 0.0))
    known = replace(now, estimates=replace(now.estimates, disorder=disorder))
    assert bool(decide(known, quick).launch) == launches


def test_who_is_unsure_of_the_rate_launches_no_more_than_a_much_higher_one_needs_until_it_is_measured() -> None:
    unsure = replace(LIMITS, unsure=10.0)
    assert decide(seen(1000), LIMITS).launch == 19
    assert decide(seen(1000), unsure).launch == 3
    assert decide(seen(1000, rate=2.0), unsure).launch == 19
