"""The plan of a campaign: the same for the same seed, every fault alone first, and no pair of what comes alone."""

from __future__ import annotations

from typing import Any

from tests.campaign.faults import FAULTS
from tests.campaign.plan import Plan, drawn


def names(seed: int, seconds: float, **other: Any) -> list[tuple[str, ...]]:
    plan = Plan(seed, seconds, (10, 20), **other)
    return [tuple(fault.name for fault in faults) for _, faults, _ in drawn(plan)]


def test_a_seed_says_all() -> None:
    assert names(3, 3600) == names(3, 3600)
    assert names(3, 3600) != names(4, 3600)


def test_every_fault_comes_alone_before_any_pair_and_an_hour_has_both() -> None:
    all_ = names(1, 3600)
    alone = [one for one in all_ if len(one) == 1]

    assert {one[0] for one in alone} == {fault.name for fault in FAULTS}
    assert all_[: len(alone)] == alone
    assert len(all_) > len(alone)


def test_what_comes_alone_is_in_no_pair() -> None:
    alone = {fault.name for fault in FAULTS if fault.alone}

    assert not [pair for pair in names(2, 36_000) if len(pair) == 2 and alone & set(pair)]


def test_a_campaign_of_pairs_has_pairs_from_its_beginning() -> None:
    assert {len(one) for one in names(1, 3600, pairs=True)} == {2}


def test_one_fault_can_be_tried_again_and_again() -> None:
    assert set(names(1, 600, only=("asleep",))) == {("everything asleep for 40 minutes",)}
