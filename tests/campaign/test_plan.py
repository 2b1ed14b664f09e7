"""The plan of a campaign: the same for the same seed, every fault alone first, and no pair of what comes alone."""

from __future__ import annotations

from tests.campaign.faults import FAULTS, plan


def names(seed: int, seconds: float) -> list[tuple[str, ...]]:
    return [tuple(fault.name for fault in faults) for _, faults, _ in plan(seed, seconds, (10, 20))]


def test_a_seed_says_all() -> None:
    assert names(3, 3600) == names(3, 3600)
    assert names(3, 3600) != names(4, 3600)


def test_every_fault_comes_alone_before_any_pair_and_an_hour_has_both() -> None:
    drawn = names(1, 3600)
    alone = [one for one in drawn if len(one) == 1]

    assert {one[0] for one in alone} == {fault.name for fault in FAULTS}
    assert drawn[: len(alone)] == alone
    assert len(drawn) > len(alone)


def test_what_comes_alone_is_in_no_pair() -> None:
    alone = {fault.name for fault in FAULTS if fault.alone}

    assert not [pair for pair in names(2, 36_000) if len(pair) == 2 and alone & set(pair)]
