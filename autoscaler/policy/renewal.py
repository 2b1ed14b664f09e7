"""Replacing the instances that an older version of the launch template made. Pure, as `policy` is.

The policy itself is asked what it would launch if they were not there: so much comes in their place, and one after the
other is asked to leave when the policy would launch nothing without it, booting instances not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.domain import Instance, InstanceState
from autoscaler.values import Limits, Observation, ScalingDecision, oldest_first

# Of the outdated, at the ceiling, where none can come before one has gone: so many leave at a time.
AT_A_TIME = 0.25


def renewed(
    decision: ScalingDecision,
    seen: Observation,
    limits: Limits,
    policy: Callable[[Observation, Limits], ScalingDecision],
) -> ScalingDecision:
    """Return the policy's decision, and with it what replaces outdated instances.

    While nothing is outstanding nothing is replaced: idle instances leave by themselves. A new version that does not
    come to work replaces nothing, as nothing leaves before it works, but at the ceiling; and there only while launches
    succeed.

    Args:
        decision: the policy's, by which outdated instances are as good as others.
        seen: what it was made of.
        limits: the ceiling.
        policy: what made it.
    """
    outdated = [one for one in seen.alive if one.outdated and one.id not in decision.drain]
    if not outdated or not seen.depth.total:
        return decision
    launch = max(decision.launch, policy(seen.without(outdated), limits).launch)
    room = max(0, limits.ceiling - len(seen.fleet))
    staying = seen.without(one for one in seen.alive if one.id in decision.drain)
    leaving = _dispensable(staying, limits, outdated, policy)
    if not leaving and launch and not room and _launches_succeed(seen):
        leaving = oldest_first(outdated)[: max(1, int(len(outdated) * AT_A_TIME))]
    launch = min(launch, max(room, decision.launch))
    told = f"{len(outdated)} of an older launch template's version"
    told += f", {launch - decision.launch} more in their place" if launch > decision.launch else ""
    told += f", {len(leaving)} of them asked to leave" if leaving else ""
    return replace(
        decision,
        launch=launch,
        drain=(*decision.drain, *(one.id for one in leaving)),
        reason=f"{decision.reason}; {told}",
    )


def _dispensable(
    seen: Observation,
    limits: Limits,
    outdated: list[Instance],
    policy: Callable[[Observation, Limits], ScalingDecision],
) -> list[Instance]:
    """Return the outdated instances without which the policy would launch nothing, with those alone that work now."""
    booting = [one for one in seen.alive if not one.outdated and not _works(one, seen)]
    leaving: list[Instance] = []
    for one in oldest_first(outdated):
        if policy(seen.without([*booting, *leaving, one]), limits).launch:
            break
        leaving.append(one)
    return leaving


def _works(instance: Instance, seen: Observation) -> bool:
    """Return whether an instance works; where workers cannot be heard, whether it runs."""
    if seen.heard.since is None:
        return instance.state is InstanceState.RUNNING
    return instance.heard_at is not None


def _launches_succeed(seen: Observation) -> bool:
    return seen.failed_boots is None and seen.refusal is None
