"""The `seed` policy: one instance for each outstanding image. Pure, as `policy` is."""

from __future__ import annotations

from autoscaler.values import Limits, Observation, ScalingDecision


def seed(seen: Observation, limits: Limits, lost: int = 0) -> ScalingDecision:
    """Want one instance per outstanding image, up to the ceiling.

    It never asks for fewer than there are, so a zero from SQS, whose counts lag, cannot empty the fleet.

    Args:
        seen: queue depth and fleet.
        limits: the ceiling.
        lost: of the instances that are there, those that will do no work.
    """
    alive, depth = len(seen.alive), seen.depth
    desired = min(limits.ceiling, max(depth.total + lost, alive))
    if not depth.total:
        desired = min(limits.ceiling, alive)
        return ScalingDecision(
            desired=desired, reason=f"no image outstanding; {alive} there, idle ones leave by themselves"
        )
    outstanding = (
        f"{depth.total} outstanding ({depth.visible} visible, {depth.in_flight} in flight, {depth.delayed} delayed)"
    )
    bound = f", at the ceiling of {limits.ceiling}" if depth.total + lost > limits.ceiling else ""
    there = f"{alive} there, {lost} of them lost" if lost else f"{alive} there"
    return ScalingDecision(
        desired=desired, launch=max(0, desired - alive), reason=f"{outstanding}, one instance each{bound}; {there}"
    )
