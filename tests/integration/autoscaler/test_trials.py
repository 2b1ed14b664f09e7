"""The autoscaler's worst days: the real loop, observer and EC2 adapter in fake time, and what each day costs at most.

`tests/benchmarks/trials.py` prints the figures of them all, for longer.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.announcements import NOTICE, WorkerLeaving
from autoscaler.schedule import Floor, floor_of
from tests.support import trials
from tests.support.trials import CODES, HOUR_S, Trial
from tests.support.world import World

Broken = tuple[Trial, list[Any]]


@pytest.fixture(autouse=True)
def logs() -> Any:
    with capture_logs() as logs:
        yield logs


@pytest.fixture(scope="module")
def good_day() -> Trial:
    return trials.good_days()


@pytest.fixture(scope="module")
def broken() -> Broken:
    """Four hours in which no instance is ever heard, and what was logged."""
    with capture_logs() as logs:
        return trials.broken_image(hours=4), list(logs)


def goes_as_on_a_good_day(trial: Trial, good_day: Trial) -> bool:
    """Whether it made no difference: as many launches, as many hours, as few late."""
    told, good = trial.figures(), good_day.figures()
    names = ("launches", "images", "late_percent", "most_there", "there_at_the_end")
    hours = told["instance_hours"] <= 1.02 * good["instance_hours"]
    return hours and all(told[name] == good[name] for name in names)


def test_on_a_good_day_there_is_no_instance_too_many_and_no_image_is_late(good_day: Trial) -> None:
    figures = good_day.figures()
    assert (figures["launches"], figures["late_percent"], figures["there_at_the_end"]) == (5, 0, 0)
    assert figures["over_work"] < 1.3


def test_an_image_that_never_comes_to_work_costs_a_probe_now_and_then_and_is_said(broken: Broken) -> None:
    trial, logs = broken
    figures = trial.figures()
    assert figures["launches"] <= 9
    assert figures["instance_hours"] < 1.5
    assert figures["most_there"] <= 2
    assert [entry["log_level"] for entry in logs if entry["event"] == "breaker_open"] == ["error"]
    told = [(decision, seen.breaker_open) for at_s, seen, decision in trial.told if at_s > HOUR_S]
    assert all(is_open for _, is_open in told)
    assert all("before they could work" in decision.reason for decision, _ in told if decision.held)
    assert sum(decision.held for decision, _ in told) > 0.9 * len(told)


def test_pauses_between_probes_grow_to_half_an_hour(broken: Broken) -> None:
    launched_s = broken[0].world.launch_times_s
    pauses_s = [after - before for before, after in pairwise(launched_s[2:])]
    assert pauses_s == sorted(pauses_s)
    assert 1800 < pauses_s[-1] <= 1800 + 2 * 300 + 20


def test_once_nothing_waits_any_more_no_unheard_instance_stays() -> None:
    figures = trials.broken_image_purged(hours=1.5).figures()
    assert figures["there_at_the_end"] == 0
    assert figures["instance_hours"] < 1


def test_the_breaker_does_its_work_where_workers_cannot_be_heard_at_all() -> None:
    figures = trials.broken_image(hours=1.5, listens=False).figures()
    assert figures["launches"] <= 7
    assert figures["most_there"] <= 2


def test_hosts_that_power_themselves_off_are_replaced_ever_more_slowly() -> None:
    figures = trials.powers_off(hours=0.5).figures()
    assert figures["launches"] <= 9
    assert figures["instance_hours"] < 0.25


def test_workers_that_are_heard_and_end_before_they_do_anything_are_no_success() -> None:
    assert trials.crashes_once_heard(hours=0.5).figures()["launches"] <= 8


def test_a_new_image_that_is_broken_is_found_though_old_workers_go_on() -> None:
    trial = trials.new_image_broken(hours=0.5)
    assert trial.figures()["launches"] <= 10
    assert trial.figures()["most_there"] <= 7
    assert len([host for host in trial.world.there if host.done]) >= 2


@pytest.mark.parametrize(("boot_s", "launches"), [((90, 280), 9), ((320, 320), 30)])
def test_slow_boots_are_waited_for(boot_s: tuple[float, float], launches: int) -> None:
    figures = trials.slow_boots(*boot_s).figures()
    assert figures["launches"] <= launches
    assert figures["images"] == 9737


@pytest.mark.parametrize("ahead_s", [30, 120, -120])
def test_ec2s_clock_makes_no_difference(ahead_s: float, good_day: Trial) -> None:
    assert goes_as_on_a_good_day(trials.clock_ahead(ahead_s), good_day)


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_a_wall_clock_that_jumps_makes_no_difference(jump_s: float, good_day: Trial) -> None:
    assert goes_as_on_a_good_day(trials.clock_jumps(jump_s), good_day)


@pytest.mark.parametrize("refused", [trials.subnet_gone, trials.type_invalid, trials.spot_role_missing])
def test_a_place_that_refuses_for_good_makes_no_difference(refused: Any, good_day: Trial) -> None:
    assert goes_as_on_a_good_day(refused(), good_day)


@pytest.mark.parametrize("code", CODES)
def test_a_launch_that_is_always_refused_is_tried_ever_more_slowly(code: str) -> None:
    figures = trials.always(code, seconds=600, every_s=4.0).figures()
    assert figures["launches"] == 0
    assert 3 <= figures["run_calls"] <= 28


def test_a_listing_that_is_throttled_is_asked_for_more_slowly() -> None:
    calls = trials.always("RequestLimitExceeded", "DescribeInstances", seconds=600).world.calls
    assert 2 * 600 / 15 - 20 <= calls["DescribeInstances"] <= 2 * (600 / 15 + 5)


@pytest.mark.parametrize("lags", [trials.listing_lags, trials.listing_lags_for_minutes])
def test_a_listing_that_lags_makes_no_difference(lags: Any, good_day: Trial) -> None:
    assert goes_as_on_a_good_day(lags(), good_day)


def test_an_instance_that_stays_pending_is_done_without_and_is_ended(good_day: Trial) -> None:
    figures, good = trials.pending_for_an_hour().figures(), good_day.figures()

    assert (figures["late_percent"], figures["there_at_the_end"]) == (0, 0)
    assert figures["launches"] <= good["launches"] + 1
    assert figures["instance_hours"] < good["instance_hours"] + 0.2


def test_instances_that_shut_down_for_an_hour_count_for_nothing() -> None:
    figures = trials.shutting_down_for_an_hour().figures()

    assert (figures["late_percent"], figures["there_at_the_end"]) == (0, 0)
    assert figures["over_work"] < 1.2


def test_recommendations_to_replace_instances_make_no_difference() -> None:
    figures = trials.recommended(120, seconds=600).figures()
    assert (figures["launches"], figures["late_percent"]) == (5, 0)


def test_workers_leave_though_they_may_not_be_tagged() -> None:
    assert trials.tags_denied().figures() == trials.good_days_falling().figures()


def test_instances_that_may_not_be_ended_still_count() -> None:
    trial = trials.ends_denied(hours=0.75)
    assert trial.figures()["launches"] <= 4
    assert 10 <= trial.world.calls["TerminateInstances"] <= 0.75 * HOUR_S / 30


@pytest.mark.parametrize("count", ["NaN", None])
def test_a_count_that_is_none_costs_the_steps_in_which_it_came(count: str | None, good_day: Trial) -> None:
    trial = trials.counts_odd(count)
    figures = trial.figures()
    assert (figures["images"], figures["launches"]) == (good_day.figures()["images"], 5)
    assert any(decision.held and "no count" in decision.reason for _, _, decision in trial.told)


def test_an_autoscaler_that_slept_goes_on_as_before() -> None:
    figures = trials.suspended().figures()
    assert figures["launches"] <= 8
    assert figures["late_percent"] < 1


def test_heartbeats_that_lie_change_nothing(good_day: Trial) -> None:
    assert goes_as_on_a_good_day(trials.heartbeats_lie(HOUR_S), good_day)


def test_workers_that_work_and_may_not_say_so_are_left_to_work() -> None:
    trial = trials.workers_unheard()
    assert not any(seen.breaker_open for _, seen, _ in trial.told)
    assert trial.figures()["late_percent"] < 1
    assert trial.figures()["there_at_the_end"] == 0


def test_a_floor_is_there_in_its_hours_with_as_few_launches_and_gone_after_them() -> None:
    limits = {"floor": floor_of(0, "* 12:10-14:00 = 2", 19)}
    trial = Trial(World(arrivals=lambda second: 8.0 if 1800 <= second < 2400 else 0.0), limits=limits)
    counts: list[int] = []
    looks = [(at_s, lambda world: counts.append(len(world.there))) for at_s in (500, 700, 1700, 3500, 7100, 7400)]
    figures = trial.run(7500, *looks).figures()
    assert counts == [0, 2, 2, 2, 2, 0]
    assert figures["late_percent"] == 0
    assert figures["launches"] <= 7


def test_a_buffer_is_there_beside_what_works_and_idle_between() -> None:
    limits = {"floor": Floor(1), "buffer": 3}
    trial = Trial(World(arrivals=lambda second: 3.0 if 1200 <= second < 2400 else 0.0), limits=limits)
    counts: list[int] = []
    looks = [(at_s, lambda world: counts.append(len(world.there))) for at_s in (600, 1190, 1800, 2390, 3500)]
    figures = trial.run(3600, *looks).figures()
    assert counts == [3, 3, 5, 5, 3]
    assert figures["late_percent"] == 0
    assert figures["launches"] == 5


def test_a_used_up_budget_launches_nothing_before_midnight_and_loses_nothing(logs: Any) -> None:
    world = World(arrivals=lambda second: 10.0 if second % 1800 < 600 and second < HOUR_S else 0.0)
    world.wall_ahead_s = 11 * HOUR_S  # it is 23:00
    trial = Trial(world, every_s=5.0, limits={"budget_h": 50 / 60})
    done: list[int] = []
    trial.run(1.5 * HOUR_S, (HOUR_S - 10, lambda world: done.append(len(world.waits_s))))
    assert [at_s for at_s in world.launch_times_s if at_s < 600]
    assert not [at_s for at_s in world.launch_times_s if 1800 <= at_s < HOUR_S]
    assert [at_s for at_s in world.launch_times_s if at_s >= HOUR_S]
    assert done[0] < 0.6 * len(world.waits_s)
    assert not world.queue
    # Once for each day: what waited at midnight uses up the next one's too.
    assert [entry["log_level"] for entry in logs if entry["event"] == "budget_used_up"] == ["error"] * 2
    held = [decision.reason for at_s, _, decision in trial.told if decision.held and at_s < HOUR_S]
    assert held
    assert all("are used up" in reason for reason in held)


def test_after_many_interruptions_launches_are_on_demand_for_an_hour() -> None:
    world = World(arrivals=lambda second: 8.0)

    def take_back(world: World) -> None:
        for host in [host for host in world.there if host.place[0] == "spot" and host.heard][:3]:
            world.say(WorkerLeaving(NOTICE), f"{host.id}@host")
            world.end(host)

    trial = Trial(world, every_s=4.0, spot=True, spot_interruptions=3)

    def end_all(world: World) -> None:
        for host in world.there:
            world.end(host)

    trial.run(1.4 * HOUR_S, (600, take_back), (900, take_back), (900 + HOUR_S, end_all))
    markets = [(host.launched_s, host.place[0]) for host in world.hosts.values()]
    assert {market for at_s, market in markets if at_s < 600} == {"spot"}
    assert {market for at_s, market in markets if 600 <= at_s < 900 + HOUR_S} == {"on-demand"}
    assert {market for at_s, market in markets if at_s >= 900 + HOUR_S} == {"spot"}
