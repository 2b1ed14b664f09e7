"""What comes after which rate."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autoscaler.memory.forecast import Forecast

EVERY_S = 2.0


def after(rate: Callable[[float], float], until_s: float, known: float | None = None) -> float:
    """Return what is expected after so many seconds of arrivals at a rate that depends on the time.

    Args:
        rate: images per second at a time.
        until_s: for how long.
        known: the rate as the last look has it.
    """
    forecast, arrived, at_s = Forecast(), 0.0, 0.0
    while at_s < until_s:
        forecast.see(at_s, arrived, rate(at_s))
        arrived += rate(at_s) * EVERY_S
        at_s += EVERY_S
    return forecast.see(at_s, arrived, rate(at_s) if known is None else known)


def test_what_is_now_is_expected_until_there_is_ground() -> None:
    assert Forecast().see(0.0, 0.0, 3.0) == 3.0
    assert after(lambda _: 5.0, 30, known=7.0) == 7.0


def test_a_load_that_lasts_is_expected_to_last() -> None:
    assert after(lambda _: 5.0, 3600) == pytest.approx(5.0)
    assert after(lambda at_s: 2.0 if at_s % 1800 < 900 else 8.0, 7200, known=8.0) == pytest.approx(8.0, rel=0.15)


def test_bursts_that_end_within_a_minute_teach_that_what_is_high_falls_back() -> None:
    bursts = after(lambda at_s: 10.0 if at_s % 120 < 20 else 0.5, 3600, known=10.0)
    assert bursts < 5, "20 of 120 s are at 10 a second, and the next minute has a part of one burst at most"
    assert after(lambda at_s: 10.0 if at_s % 120 < 20 else 0.5, 3600, known=0.5) > 0.5


def test_what_was_long_ago_is_forgotten() -> None:
    def rate(at_s: float) -> float:
        return (10.0 if at_s % 120 < 20 else 0.5) if at_s < 3600 else (2.0 if at_s % 1800 < 900 else 8.0)

    assert after(rate, 3600, known=8.0) < 5
    assert after(rate, 3600 + 4 * 3600, known=8.0) > 6


def test_never_is_less_than_nothing_expected() -> None:
    assert after(lambda at_s: 10.0 if at_s % 120 < 20 else 0.0, 3600, known=0.0) >= 0
    assert after(lambda _: 0.0, 600) == 0


def test_what_rises_is_expected_to_go_on_and_what_falls_as_well() -> None:
    def rate(at_s: float) -> float:
        return 1 + abs(at_s % 1200 - 600) / 60

    falling, rising = after(rate, 3600 + 300), after(rate, 3600 + 900)
    assert rising > 1.05 * rate(3600 + 900), "the middle of the next minute is half a minute on"
    assert falling < 0.95 * rate(3600 + 300)


def test_one_rise_after_a_load_that_never_changed_is_no_ground_to_expect_another() -> None:
    forecast, arrived, expected = Forecast(), 0.0, []
    for step in range(400):
        at_s = step * EVERY_S
        of_late = 3.0 + 12.0 * min(1.0, max(0.0, (at_s - 600) / 40))  # a mean over 40 s
        expected.append(forecast.see(at_s, arrived, of_late))
        arrived += (3.0 if at_s < 600 else 15.0) * EVERY_S
    assert max(expected) <= 1.1 * 15.0
