"""How many instances an observation calls for. Pure: no clock, no network, no chance; `loop` carries decisions out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from autoscaler.policy.deadline import deadline
from autoscaler.policy.kept import kept, staying
from autoscaler.policy.renewal import renewed
from autoscaler.policy.seed import seed
from autoscaler.values import FailedBoots, Limits, Observation, ScalingDecision

# After instances that did not come to work: 2 s, 4 s, ... for as many in a row.
LONGEST_PAUSE_S = 300
# So many at a time are waited for, after others were silent for a boot limit.
FEW = 2
# Before a probe, while the breaker is open: twice as long after each that failed.
PROBE_PAUSE_S, LONGEST_PROBE_PAUSE_S = 60, 1800


def decide(seen: Observation, limits: Limits) -> ScalingDecision:
    """Return what the fleet should be, by the policy that ``limits`` names.

    Args:
        seen: queue depth and fleet, as of ``seen.at``.
        limits: the ceiling, and how old a count may be.

    Returns:
        The decision with its reason; it holds when ``seen`` is stale, launches nothing while launches fail, and
        never more than the ceiling leaves room for beside every instance that is there, the draining included.

    Raises:
        KeyError: ``limits.policy`` is not one of `POLICIES`.
    """
    policy = kept(POLICIES[limits.policy])
    stale = _stale(seen, limits)
    if stale:
        return ScalingDecision(desired=min(len(seen.alive), limits.ceiling), reason=stale, held=True)
    decision = renewed(policy(seen, limits), seen, limits, policy)
    decision = replace(decision, stay=staying(decision, seen, limits))
    pause = _over(seen, limits) or _pause(seen)
    if decision.launch and pause:
        return replace(decision, launch=0, held=True, paused=True, reason=f"{decision.reason}; but {pause}")
    few = _few(seen)
    if few is not None and decision.launch > few:
        reason = f"{decision.reason}; {FEW} at a time, as boots before were never heard"
        decision = replace(decision, launch=few, held=not few, paused=not few, reason=reason)
    if decision.launch and seen.breaker_open:
        decision = replace(decision, launch=1, reason=f"{decision.reason}; one alone, to see whether it comes to work")
    room = max(0, limits.ceiling - len(seen.fleet))
    if decision.launch > room:
        draining = len(seen.fleet) - len(seen.alive)
        reason = f"{decision.reason}; {draining} that are draining count to the ceiling of {limits.ceiling}"
        return replace(decision, launch=room, reason=reason)
    return decision


POLICIES: dict[str, Callable[[Observation, Limits], ScalingDecision]] = {"seed": seed, "deadline": deadline}


def _stale(seen: Observation, limits: Limits) -> str:
    for what, then in (("the queue's counts are", seen.counted_at), ("the list of instances is", seen.listed_at)):
        age_s = seen.age_s(then)
        if age_s > limits.stale_s:
            return f"{what} {age_s:.0f} s old; more than {limits.stale_s:.0f} s is too old to act upon"
    return ""


def _over(seen: Observation, limits: Limits) -> str:
    """Return why nothing is launched for the rest of the day, if that is so."""
    if not seen.over_budget(limits):
        return ""
    budget = f"{limits.budget_h:g} instance-hours (ELASTIQ_DAILY_BUDGET)"
    return f"the day's {budget} are used up: nothing is launched before midnight UTC"


def _pause(seen: Observation) -> str:
    """Return why nothing is launched for now: a broken image must not cost a fleet an hour."""
    refusal, failed = seen.refusal, seen.failed_boots
    if refusal:
        left_s = refusal.pause_s - seen.age_s(refusal.at)
        if left_s > 0:
            return f"the last launch was refused: {refusal.reason}; next try in {left_s:.0f} s"
    if failed and failed.probe:
        return f"{_story(failed)}; waiting for {failed.probe} alone"
    if failed:
        left_s = _failed_pause_s(failed) - seen.age_s(failed.last_at)
        if left_s > 0:
            return f"{_story(failed)}; next try in {left_s:.0f} s"
    return ""


def _few(seen: Observation) -> int | None:
    """Return how many may be launched while instances are there that were silent for a boot limit; None: no matter."""
    if not seen.given_up:
        return None
    waited_for = sum(one.heard_at is None and one.id not in seen.given_up for one in seen.alive)
    return max(0, FEW - waited_for)


def _failed_pause_s(failed: FailedBoots) -> float:
    if failed.tripped_at is not None:
        return min(LONGEST_PROBE_PAUSE_S, PROBE_PAUSE_S * 2.0 ** min(failed.probes, 30))
    return min(LONGEST_PAUSE_S, 2.0 ** min(failed.in_a_row, 30))


def _story(failed: FailedBoots) -> str:
    return f"{failed.in_a_row} in a row ended or fell silent before they could work, see their logs"
