"""The model of a queue, its workers and an autoscaler: what must hold of any run, and what each part of it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import ConfigurationError
from autoscaler.policy import decide
from autoscaler.simulator.contenders import CONTENDERS
from autoscaler.simulator.simulation import Policy, Simulation
from autoscaler.simulator.world import Outcome, World
from autoscaler.values import Limits, Observation, ScalingDecision

SURE = World(rate=2.0, failing_boots=0.0)

contenders = st.sampled_from(sorted(CONTENDERS))
arrivals = st.lists(st.floats(0, 300), max_size=200).map(sorted)
worlds = st.builds(
    World,
    rate=st.floats(0.2, 50),
    boot_s=st.floats(15, 60),
    failing_boots=st.sampled_from([0.0, 0.3]),
    reclaims_per_hour=st.sampled_from([0.0, 30.0]),
)


class Told:
    """A policy that keeps so many instances, asks the first to leave once it is of some age, and remembers all."""

    def __init__(self, wanted: int, drain_after_s: float = float("inf")) -> None:
        self._wanted, self._drain_after_s = wanted, drain_after_s
        self._asked = False
        self.seen: list[Observation] = []

    def __call__(self, seen: Observation, limits: Limits) -> ScalingDecision:
        self.seen.append(seen)
        old = [one.id for one in seen.alive if seen.age_s(one.launched_at) >= self._drain_after_s]
        drain = () if self._asked else tuple(old[:1])
        self._asked = self._asked or bool(drain)
        launch = max(0, self._wanted - len(seen.alive)) if seen.depth.total or len(self.seen) == 1 else 0
        return ScalingDecision(desired=self._wanted, launch=launch, drain=drain, reason="told to")


def run(arrivals_s: list[float], policy: Policy, world: World = SURE, ceiling: int = 19, idle_s: float = 30) -> Outcome:
    return Simulation(arrivals_s, policy, Limits(ceiling), world, idle_s=idle_s).run()


@given(arrivals, contenders, worlds)
@settings(max_examples=40, deadline=None)
def test_every_image_is_done_once_and_every_instance_is_billed(
    arrivals: list[float], policy: str, world: World
) -> None:
    contender = CONTENDERS[policy]
    limits = Limits(19, policy if policy in ("seed", "deadline") else "seed")
    made = Simulation(arrivals, contender.make(arrivals), limits, world, contender.observe_s, contender.idle_s)
    outcome = made.run()
    assert sum(done for _, done in outcome.bills) == len(arrivals)
    assert all(wait >= 0.5 / world.rate - 1e-6 for wait in outcome.waits_s)
    assert all(billed >= world.bill_s for billed, _ in outcome.bills)
    assert max((instances for *_, instances in outcome.course), default=0) <= 19


def test_the_same_seed_makes_the_same_run_and_another_one_another() -> None:
    arrivals_s = [float(n) for n in range(300)]
    first, second, other = (
        Simulation(arrivals_s, decide, Limits(19, "deadline"), World(1.0), seed=seed).run() for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_a_world_without_images_ends_at_once_and_costs_nothing() -> None:
    assert run([], Told(0)).bills == []


def test_a_worker_without_work_leaves_by_itself_and_its_minute_is_billed() -> None:
    outcome = run([0.0], Told(3))
    assert sorted(done for _, done in outcome.bills) == [0, 0, 1]
    assert {billed for billed, _ in outcome.bills} == {SURE.bill_s}
    assert outcome.course[-1][3] < 3


def test_workers_that_never_leave_are_billed_until_ten_minutes_after_the_last_image() -> None:
    outcome = run([0.0], Told(1), idle_s=0)
    ((billed, done),) = outcome.bills
    assert done == 1
    assert billed == pytest.approx(600 - SURE.pending_s, abs=2)


def test_an_instance_that_drains_finishes_what_it_holds_takes_no_more_and_is_replaced() -> None:
    policy = Told(2, drain_after_s=60)
    outcome = run([0.0] * 600, policy)
    asked = next(seen for seen in policy.seen if any(one.state == "draining" for one in seen.fleet))
    (leaving,) = (one.id for one in asked.fleet if one.state == "draining")
    told = [beat.done for seen in policy.seen for beat in seen.heard.heartbeats if beat.instance == leaving]
    before = [beat.done for beat in asked.heard.heartbeats if beat.instance == leaving]
    assert told[-1] - before[-1] <= 2 * SURE.holds
    assert sum(done for _, done in outcome.bills) == 600
    assert len(outcome.bills) == 3


def test_no_more_instances_come_than_the_ceiling_lets() -> None:
    assert max(instances for *_, instances in run([0.0] * 50, Told(50), ceiling=4).course) == 4


def test_boots_that_fail_do_no_work_and_cost_their_minute() -> None:
    outcome = run([0.0] * 20, Told(4), World(rate=2.0, failing_boots=0.5))
    assert [billed for billed, done in outcome.bills if not done].count(60.0) >= 2
    assert sum(done for _, done in outcome.bills) == 20


def test_what_a_policy_sees_lags_behind_what_is_queued() -> None:
    policy = Told(1)
    outcome = run([float(n) for n in range(60)], policy, World(rate=2.0, failing_boots=0.0, lag_s=20.0))
    queued = [backlog for _, backlog, *_ in outcome.course]
    told = [seen.depth.total for seen in policy.seen]
    assert told != queued
    assert max(told) <= max(queued)


def test_a_worker_is_heard_from_the_moment_it_is_ready() -> None:
    run([0.0], policy := Told(1))
    booting = [seen for seen in policy.seen if seen.fleet and seen.fleet[0].heard_at is None]
    ready = next(seen for seen in policy.seen if seen.fleet and seen.fleet[0].heard_at)
    assert [seen.fleet[0].state for seen in booting] == ["pending"] * 4 + ["running"] * (len(booting) - 4)
    assert ready.estimates.pending_s == pytest.approx(SURE.pending_s, abs=2)
    assert ready.estimates.boot_s == pytest.approx(SURE.boot_s, rel=0.5)


def test_a_run_in_which_nobody_works_stops_and_says_so() -> None:
    with pytest.raises(ConfigurationError, match="2 images are left and none was done for a week"):
        run([0.0, 1.0], Told(0))


def test_a_drain_waits_for_the_receive_that_is_under_way_and_the_power_off_is_billed() -> None:
    def billed(world: World) -> float:
        return max(seconds for seconds, _ in run([0.0, 200.0], Told(2, drain_after_s=120), world, idle_s=0).bills[:1])

    kind = billed(SURE)
    assert billed(replace(SURE, power_off_s=8.0)) == pytest.approx(kind + 8)
    assert kind < billed(replace(SURE, poll_s=20.0)) <= kind + 20


def test_slow_boots_take_three_times_as_long() -> None:
    outcome = run([0.0], Told(1), replace(SURE, slow_boots=1.0))
    assert 60 < outcome.waits_s[0] < 130


def test_boots_that_fail_late_end_when_they_should_have_been_over() -> None:
    world = World(rate=2.0, failing_boots=0.9, fails_late=True)
    failed = [billed for billed, done in run([0.0], Told(4), world, idle_s=0).bills if not done]
    assert len(failed) > 2
    assert max(failed) > world.boot_s + world.pending_s, "one that fails before the mean is billed for a minute at most"


def test_a_queue_in_no_order_hands_out_the_newest_before_the_oldest() -> None:
    def longest(world: World) -> float:
        return max(run([n / 4 for n in range(400)], Told(1), world).waits_s)

    assert longest(replace(SURE, rate=3.0, disorder=1.0, partitions=1)) > 1.3 * longest(
        replace(SURE, rate=3.0, partitions=1)
    )


def test_an_instance_that_rests_costs_less_where_it_has_little_to_do_and_nothing_is_late() -> None:
    little, often = [float(second) for second in range(1800)], replace(SURE, rate=20.0)
    stays = Limits(19, "deadline", service_rate=20.0)

    staying, resting = (
        Simulation(little, decide, limits, often).run() for limits in (stays, replace(stays, rest_s=10.0))
    )

    assert sum(seconds for seconds, _ in resting.bills) < 0.85 * sum(seconds for seconds, _ in staying.bills)
    assert max(resting.waits_s) <= stays.target_s
