"""The arrival rate, told from counts in which there is chance."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from autoscaler.memory.arrivals import LONG, RECENT, arrival_rate


def by_chance(mean: float, count: int = LONG, seed: int = 1) -> list[float]:
    """Return rates of intervals of 2 s in which images arrive at random."""
    chance = random.Random(seed)
    return [sum(chance.random() < mean / 50 for _ in range(100)) / 2 for _ in range(count)]


def test_of_too_few_looks_nothing_is_said() -> None:
    assert arrival_rate([4.0] * (RECENT - 1)) is None
    assert arrival_rate([4.0] * RECENT) == pytest.approx(4.0)


def test_chance_alone_is_no_rise() -> None:
    told = [arrival_rate(by_chance(2.5, seed=seed)) or 0.0 for seed in range(100)]
    assert fmean(told) == pytest.approx(2.5, rel=0.06), "the greater of two guesses would be a fifth too high"


def test_what_has_begun_and_is_more_than_chance_is_believed_within_seconds() -> None:
    assert arrival_rate([1.0] * (LONG - 3) + [10.0] * 3) == pytest.approx(10.0, rel=0.1)


def test_of_what_rises_the_rise_is_seen_and_not_the_mean_alone() -> None:
    rising = [0.5 * step for step in range(LONG)]
    assert (arrival_rate(rising) or 0.0) > fmean(rising) * 1.3


def test_a_burst_that_was_counted_at_one_look_is_past() -> None:
    assert arrival_rate([1.0] * 12 + [500.0] + [1.0] * 7) == pytest.approx(1.0, rel=0.1)


def test_counts_that_fall_make_no_rate_below_nothing() -> None:
    assert arrival_rate([-3.0] * LONG) == 0.0
