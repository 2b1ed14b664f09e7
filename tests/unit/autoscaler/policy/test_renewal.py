"""Replacing what an older version of the launch template made: new ones first, and never for nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.policy import POLICIES, decide
from autoscaler.policy.renewal import renewed
from autoscaler.values import Estimates, FailedBoots, Heard, Limits, Observation, ScalingDecision

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RUNNING, PENDING = InstanceState.RUNNING, InstanceState.PENDING


def old(count: int) -> tuple[Instance, ...]:
    launched = NOW - timedelta(minutes=9)
    return tuple(
        Instance(f"old-{n}", RUNNING, launched + timedelta(seconds=n), NOW, outdated=True) for n in range(count)
    )


def new(count: int, heard: bool = True) -> tuple[Instance, ...]:
    age = timedelta(seconds=90 if heard else 5)
    state, heard_at = (RUNNING, NOW) if heard else (PENDING, None)
    return tuple(Instance(f"new-{heard}-{n}", state, NOW - age, heard_at) for n in range(count))


def seen(outstanding: int, *fleet: Instance, failed: bool = False) -> Observation:
    return Observation(
        at=NOW,
        depth=QueueDepth(outstanding, 0),
        counted_at=NOW,
        fleet=fleet,
        listed_at=NOW,
        estimates=Estimates(service_rate=2.0, boot_s=20.0),
        heard=Heard(since=NOW - timedelta(hours=1), at=NOW, worker_at=NOW),
        failed_boots=FailedBoots(3, NOW - timedelta(hours=1)) if failed else None,
    )


LIMITS = Limits(ceiling=19, policy="deadline")


@pytest.mark.parametrize("policy", ["deadline", "seed"])
def test_new_ones_come_before_an_old_one_is_asked_to_leave(policy: str) -> None:
    decision = decide(seen(300, *old(4)), replace(LIMITS, policy=policy))

    assert decision.launch > 0
    assert decision.drain == ()


@pytest.mark.parametrize("policy", ["deadline", "seed"])
def test_nothing_leaves_while_the_new_ones_boot_and_no_more_are_launched(policy: str) -> None:
    limits = replace(LIMITS, policy=policy)
    outstanding = 300 if policy == "deadline" else 4
    first = decide(seen(outstanding, *old(4)), limits)

    second = decide(seen(outstanding, *old(4), *new(first.launch, heard=False)), limits)

    assert (second.launch, second.drain) == (0, ())


def test_old_ones_leave_when_the_new_ones_suffice() -> None:
    decision = decide(seen(300, *old(3), *new(4)), LIMITS)

    assert decision.launch == 0
    assert decision.drain == ("old-0", "old-1", "old-2")
    assert "3 of an older launch template's version, 3 of them asked to leave" in decision.reason


def test_as_many_leave_as_are_made_up_for() -> None:
    """One image each: of five, two have new instances and three keep their old ones."""
    decision = decide(seen(5, *old(5), *new(2)), replace(LIMITS, policy="seed"))

    assert decision.drain == ("old-0", "old-1")


def test_without_work_nobody_is_replaced() -> None:
    decision = decide(seen(0, *old(4)), replace(LIMITS, policy="seed"))

    assert (decision.launch, decision.drain) == (0, ())


def test_at_the_ceiling_a_quarter_goes_first() -> None:
    decision = decide(seen(5000, *old(8)), replace(LIMITS, ceiling=8))

    assert (decision.launch, decision.drain) == (0, ("old-0", "old-1"))


def test_at_the_ceiling_nobody_goes_while_new_ones_fail_to_boot() -> None:
    decision = decide(seen(5000, *old(8), failed=True), replace(LIMITS, ceiling=8))

    assert (decision.launch, decision.drain) == (0, ())


def test_a_broken_version_replaces_nothing() -> None:
    decision = decide(seen(300, *old(4), *new(4, heard=False)), LIMITS)

    assert decision.drain == ()


def test_what_the_policy_asks_to_leave_is_not_asked_twice() -> None:
    asked = ScalingDecision(desired=1, drain=("old-0",), reason="surplus")

    decision = renewed(asked, seen(1, *old(1), *new(2)), LIMITS, lambda *_: ScalingDecision(desired=1, reason=""))

    assert decision == asked


@given(st.integers(0, 3000), *[st.integers(0, 12)] * 3, st.integers(1, 25), st.sampled_from(["deadline", "seed"]))
def test_the_ceiling_holds_and_what_is_there_suffices_when_old_ones_leave(
    outstanding: int, outdated: int, working: int, booting: int, ceiling: int, policy: str
) -> None:
    limits = replace(LIMITS, ceiling=ceiling, policy=policy)
    there = seen(outstanding, *old(outdated), *new(working), *new(booting, heard=False))

    decision = decide(there, limits)

    assert decision.launch == 0 or len(there.fleet) + decision.launch <= ceiling
    assert len(decision.drain) < max(1, len(there.alive)) or len(there.fleet) >= ceiling
    left = replace(there, fleet=tuple(one for one in there.fleet if one.id not in decision.drain))
    if len(there.fleet) < ceiling and decision.drain:
        assert POLICIES[policy](left, limits).launch <= decision.launch
