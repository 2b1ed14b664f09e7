"""What is kept whatever the load: a floor, and while there is one, a buffer of spare instances. Pure, as `policy` is.

The policy itself is asked what it would do if the buffer's instances were not there, so that they are spare to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from autoscaler.values import Limits, Observation, ScalingDecision, oldest_first

Policy = Callable[[Observation, Limits], ScalingDecision]


def kept(policy: Policy) -> Policy:
    """Return a policy that decides as ``policy`` does, and never for fewer than are to be kept."""

    def decide(seen: Observation, limits: Limits) -> ScalingDecision:
        floor = min(limits.floor.at(seen.at), limits.ceiling)
        buffer = limits.buffer if floor else 0
        decision = _buffered(policy, seen, limits, buffer) if buffer else policy(seen, limits)
        return _floored(decision, seen, floor) if floor else decision

    return decide


def staying(decision: ScalingDecision, seen: Observation, limits: Limits) -> tuple[str, ...]:
    """Return the ids of the instances that shall not leave though they are idle, those first that have run longest.

    None of an older version of the launch template is among them, so that they leave and are replaced. With a buffer,
    and something outstanding, all are needed that the policy does not ask to leave.
    """
    floor = min(limits.floor.at(seen.at), limits.ceiling)
    if not floor or seen.over_budget(limits):
        return ()
    left = [one for one in seen.alive if one.id not in decision.drain and not one.outdated]
    count = len(left) if limits.buffer and seen.depth.total else max(floor, limits.buffer)
    return tuple(one.id for one in oldest_first(left)[:count])


def _buffered(policy: Policy, seen: Observation, limits: Limits, buffer: int) -> ScalingDecision:
    """Return what the policy decides without the newest instances, with these beside it."""
    spare = oldest_first(seen.alive)[-buffer:]
    decision = policy(seen.without(spare), limits)
    # The buffer that is there works on what waits as well, so no more is launched than it and what lacks with it.
    most = min(policy(seen, limits).launch + buffer, max(0, limits.ceiling - len(seen.alive)))
    launch = min(decision.launch + buffer - len(spare), most)
    return replace(
        decision,
        desired=min(len(seen.alive) - len(decision.drain) + launch, limits.ceiling),
        launch=launch,
        reason=f"{decision.reason}; and a buffer of {buffer}",
    )


def _floored(decision: ScalingDecision, seen: Observation, floor: int) -> ScalingDecision:
    there = len(seen.alive)
    drain = decision.drain[: max(0, there - floor)]
    if drain == decision.drain and decision.desired >= floor and there - len(drain) + decision.launch >= floor:
        return decision
    return replace(
        decision,
        desired=max(decision.desired, floor),
        launch=max(decision.launch, floor - there),
        drain=drain,
        reason=f"{decision.reason}; {floor} at least at this time",
    )
