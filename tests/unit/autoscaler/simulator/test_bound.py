"""The least that a clairvoyant could be billed: cases that can be worked out by hand, and laws."""

from __future__ import annotations

import pytest

from app.errors import ConfigurationError
from autoscaler.policy import POLICIES
from autoscaler.simulator.bound import bound
from autoscaler.simulator.contenders import simulate
from autoscaler.simulator.world import World
from autoscaler.values import Limits

# Ready 30 s after a launch, 20 of which are billed.
WORLD = World(rate=20.0, failing_boots=0.0)


def least(arrivals_s: list[float], world: World = WORLD, ceiling: int = 19, target_s: float = 60.0) -> float:
    return bound(arrivals_s, Limits(ceiling, target_s=target_s), world)


def test_a_lone_image_costs_the_minute_that_is_billed_at_least() -> None:
    assert least([100.0]) == 60


def test_two_images_within_what_one_minute_can_serve_cost_one_minute_and_further_ones_two() -> None:
    # From its 20th billed second to its 60th it works, and what came a minute earlier is still in time.
    assert least([100.0, 195.0]) == 60
    assert least([100.0, 300.0]) == 120


def test_a_burst_that_one_instance_cannot_do_in_time_costs_two_whole_ones() -> None:
    # 50 s of work, and 40.5 s from the first second at which an instance can be ready to the deadline.
    assert least([10.5] * 1000) == 120


def test_steady_work_costs_little_more_than_itself() -> None:
    arrivals = [n / 40 for n in range(40 * 600)]  # two instances' work
    assert 1 < least(arrivals) / (len(arrivals) / WORLD.rate) < 1.1


def test_what_even_the_whole_fleet_does_late_may_be_as_late_as_that() -> None:
    # The work, and of each of the fleet the 20 s of its boot that are billed.
    assert least([0.0] * 3000, World(rate=2.0)) == pytest.approx(3000 / 2 + 19 * 20)


def test_more_time_never_costs_more_and_a_lower_ceiling_never_less() -> None:
    arrivals = [float(n) for n in range(300) for _ in range(30)]
    assert least(arrivals, target_s=120) <= least(arrivals, target_s=60) <= least(arrivals, target_s=30)
    assert least(arrivals, ceiling=19) <= least(arrivals, ceiling=2) + 1e-6


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_no_policy_that_is_in_time_is_billed_less(policy: str) -> None:
    arrivals = [n / 5 for n in range(5 * 300)]
    limits = Limits(19, policy)
    for seed in range(2):
        outcome = simulate(arrivals, policy, limits, WORLD, seed)
        assert max(outcome.waits_s) <= 60
        assert sum(billed for billed, _ in outcome.bills) >= least(arrivals)


def test_a_trace_of_more_than_a_month_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="give --seconds"):
        least([0.0, 32 * 86400.0])
