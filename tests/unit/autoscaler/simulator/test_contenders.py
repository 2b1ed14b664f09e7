"""What can be simulated, by name."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from autoscaler.built import ANOTHER
from autoscaler.policy import POLICIES, decide
from autoscaler.simulator.contenders import CONTENDERS, simulate
from autoscaler.simulator.figures import report
from autoscaler.simulator.simulation import Simulation
from autoscaler.simulator.world import World
from autoscaler.values import UNSURE, Limits, Observation, ScalingDecision


def limits(policy: str, ceiling: int = 19) -> Limits:
    return Limits(ceiling, policy if policy in POLICIES else "seed")


def test_each_of_our_policies_and_its_rivals_can_be_run() -> None:
    assert set(POLICIES) < set(CONTENDERS)
    for name in CONTENDERS:
        assert len(simulate([0.0, 1.0], name, limits(name), World(2.0)).waits_s) == 2


def test_the_course_is_told_at_each_observation() -> None:
    told: list[tuple[float, int]] = []
    outcome = simulate([0.0, 5.0], "deadline", limits("deadline"), World(2.0), tell=lambda *seen: told.append(seen))
    assert [at_s for at_s, _ in told] == [at_s for at_s, *_ in outcome.course]
    assert told[0][1] == 0
    assert told[-1][1] == 2


def test_a_lone_image_costs_one_boot_and_one_minute() -> None:
    world = World(rate=2.0, failing_boots=0.0)
    found = report(simulate([0.0], "deadline", limits("deadline"), world), [0.0], limits("deadline"), world)
    assert (found["images"], found["launches"], found["wasted_launches"], found["over_target"]) == (1, 1, 0, 0)
    assert found["billed_seconds"] == 60
    assert 20 < found["p50"] < 50


def test_deadline_costs_much_less_than_one_instance_for_each_image_and_keeps_its_promise() -> None:
    world = World(rate=2.0)
    arrivals = [n / 6 for n in range(6 * 1200)]
    seed, deadline = (
        report(simulate(arrivals, name, limits(name), world), arrivals, limits(name), world)
        for name in ("seed", "deadline")
    )
    assert deadline["billed_seconds"] < seed["billed_seconds"] / 2
    assert deadline["billed_over_work"] < 1.25
    assert deadline["share_over_target"] <= 0.001


def bursts() -> list[float]:
    """Return an hour of bursts, of 20 s each, that come at random, over a little that always comes."""
    chance, now, arrivals = random.Random(5), 0.0, [float(n) for n in range(0, 3600, 2)]
    while now < 3500:
        now += 20 + chance.expovariate(1 / 100)
        arrivals += [now + 20 * chance.random() for _ in range(chance.randrange(50, 400))]
    return sorted(arrivals)


def cost(policy: str, arrivals: list[float]) -> dict[str, float]:
    world = World(rate=2.0)
    return report(simulate(arrivals, policy, limits(policy), world), arrivals, limits(policy), world)


def test_bursts_teach_the_policy_not_to_expect_them_to_go_on() -> None:
    def untaught(seen: Observation, limits: Limits) -> ScalingDecision:
        return decide(replace(seen, estimates=replace(seen.estimates, expected_rate=None)), limits)

    arrivals, world = bursts(), World(rate=2.0)
    learnt = cost("deadline", arrivals)
    outcome = Simulation(arrivals, untaught, limits("deadline"), world).run()
    before = report(outcome, arrivals, limits("deadline"), world)
    assert learnt["share_over_target"] <= 0.001
    assert learnt["billed_seconds"] < 0.9 * before["billed_seconds"]


def test_an_oracle_is_no_later_than_the_target() -> None:
    assert cost("oracle", bursts())["share_over_target"] <= 0.002


@pytest.mark.parametrize(
    ("factor", "unsure"), [*((by, UNSURE) for by in (0.1, 0.25, 4, 10)), (1 / ANOTHER, ANOTHER), (ANOTHER, ANOTHER)]
)
@pytest.mark.parametrize("pattern", ["burst", "bursts"])
def test_a_wrong_belief_costs_little_more_than_the_right_one(factor: float, unsure: float, pattern: str) -> None:
    arrivals, rate = ([10.5] * 1000, 20.0) if pattern == "burst" else ([at_s for at_s in bursts() if at_s < 900], 2.0)

    def billed(limits: Limits) -> float:
        return sum(seconds for seconds, _ in simulate(arrivals, "deadline", limits, World(rate)).bills)

    right = billed(Limits(19, "deadline", service_rate=rate))
    assert billed(Limits(19, "deadline", service_rate=rate * factor, unsure=unsure)) <= 1.5 * right
