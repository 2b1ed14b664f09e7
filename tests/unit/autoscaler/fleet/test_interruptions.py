"""So many interruptions within a window, and for an hour spot is not worth a launch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.fleet.interruptions import REST, too_many

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WINDOW = timedelta(minutes=10)


def at(*minutes: float) -> list[datetime]:
    return [NOON + timedelta(minutes=minute) for minute in minutes]


@pytest.mark.parametrize(
    ("minutes", "now_min", "verdict"),
    [
        ((0, 5), 6, False),
        ((0, 5, 10), 10, True),
        ((10, 0, 5), 69, True),
        ((0, 5, 10), 70, False),
        ((0, 5, 11), 12, False),
        ((0, 5, 11, 12), 13, True),
    ],
)
def test_three_in_ten_minutes_are_too_many_for_an_hour(
    minutes: tuple[float, ...], now_min: float, verdict: bool
) -> None:
    assert too_many(at(*minutes), at(now_min)[0], 3, WINDOW) is verdict


def test_with_0_there_are_never_too_many() -> None:
    assert not too_many(at(*range(9)), NOON, 0, WINDOW)


@given(st.lists(st.floats(0, 600), max_size=12), st.floats(0, 700), st.integers(1, 5))
def test_more_interruptions_never_make_spot_worth_more(minutes: list[float], now_min: float, count: int) -> None:
    (now,) = at(now_min)
    before = too_many(at(*minutes), now, count, WINDOW)
    assert too_many([*at(*minutes), now], now, count, WINDOW) >= before
    assert too_many(at(*minutes), now, count + 1, WINDOW) <= before
    assert not too_many(at(*minutes), NOON + timedelta(minutes=600) + REST, count, WINDOW)
