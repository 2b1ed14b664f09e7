"""Other systems' rules, as their documentation has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.simulator.rivals import Keda, TargetTracking, whole_fleet
from autoscaler.simulator.simulation import Policy
from autoscaler.values import Limits, Observation, ScalingDecision

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITS = Limits(19)


def seen(at_s: float, queued: int, there: int) -> Observation:
    """Return a look at ``queued`` visible images and instances of which the last came last."""
    at = START + timedelta(seconds=at_s)
    fleet = tuple(Instance(f"i-{n}", InstanceState.RUNNING, START + timedelta(seconds=n)) for n in range(there))
    return Observation(at=at, depth=QueueDepth(queued, 0), counted_at=at, fleet=fleet, listed_at=at)


def looks(policy: Policy, every_s: float, *of: tuple[int, int], limits: Limits = LIMITS) -> list[ScalingDecision]:
    """Return what a policy decides at ``(queued, there)``, one look after the other."""
    return [policy(seen(n * every_s, queued, there), limits) for n, (queued, there) in enumerate(of)]


@pytest.mark.parametrize(("queued", "there", "launch"), [(1, 0, 19), (1, 7, 12), (500, 19, 0), (0, 0, 0), (0, 7, 0)])
def test_the_whole_fleet_comes_for_a_single_image_and_leaves_by_itself(queued: int, there: int, launch: int) -> None:
    decision = whole_fleet(seen(0, queued, there), LIMITS)
    assert (decision.launch, decision.drain) == (launch, ())


def test_keda_s_first_instance_comes_at_a_poll_each_half_minute() -> None:
    decisions = looks(Keda(), 15, (0, 0), (9, 0), (9, 0), (9, 0))
    assert [decision.launch for decision in decisions] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("queued", "there", "desired"),
    [(50, 5, 10), (52, 10, 10), (56, 10, 12), (500, 1, 5), (500, 10, 19), (1, 1, 1)],
    ids=["five each", "within a tenth", "beyond a tenth", "four more at most", "the ceiling", "one at least"],
)
def test_keda_wants_an_instance_for_five_images_with_kubernetes_limits(queued: int, there: int, desired: int) -> None:
    assert Keda()(seen(0, queued, there), LIMITS).desired == desired


def test_keda_takes_away_none_that_was_wanted_within_five_minutes() -> None:
    keda = Keda()
    desired = [keda(seen(at_s, queued, 10), LIMITS).desired for at_s, queued in [(0, 50), (15, 5), (300, 5), (301, 5)]]
    assert desired == [10, 10, 10, 1]


def test_keda_takes_the_last_one_away_after_five_minutes_without_work() -> None:
    keda = Keda()
    desired = [keda(seen(at_s, queued, 1), LIMITS).desired for at_s, queued in [(0, 1), (15, 0), (299, 0), (300, 0)]]
    assert desired == [1, 1, 1, 0]
    assert keda(seen(315, 0, 1), LIMITS).drain == ("i-0",)


def test_keda_asks_those_to_leave_that_came_last() -> None:
    keda = Keda()
    keda(seen(0, 1, 4), LIMITS)
    assert keda(seen(301, 10, 4), LIMITS).drain == ("i-3", "i-2")


# Sixty seconds of two images each: 120 for an instance are acceptable.
TRACKED = Limits(19, target_s=60.0, service_rate=2.0)


def test_target_tracking_has_one_instance_at_least() -> None:
    assert TargetTracking()(seen(0, 0, 0), TRACKED).launch == 1


def test_target_tracking_scales_out_after_three_minutes_above_the_target() -> None:
    decisions = looks(TargetTracking(), 60, *[(500, 2)] * 3, limits=TRACKED)
    assert [decision.desired for decision in decisions] == [2, 2, 5]


def test_a_minute_at_the_target_puts_target_tracking_off() -> None:
    decisions = looks(TargetTracking(), 60, (500, 2), (240, 2), (500, 2), (500, 2), limits=TRACKED)
    assert {decision.desired for decision in decisions} == {2}


def test_target_tracking_scales_in_after_fifteen_minutes_below_nine_tenths_of_it() -> None:
    decisions = looks(TargetTracking(), 60, *[(120, 4)] * 15, limits=TRACKED)
    assert [decision.desired for decision in decisions] == [4] * 14 + [1]
    assert decisions[-1].drain == ("i-3", "i-2", "i-1")


def test_target_tracking_stays_under_the_ceiling() -> None:
    assert looks(TargetTracking(), 60, *[(100_000, 10)] * 3, limits=TRACKED)[-1].desired == 19
