"""How far from its order a queue hands out."""

from __future__ import annotations

import pytest

from autoscaler.memory.disorder import KEPT_S, LEAST_S, Disorder


def test_nothing_is_known_before_images_waited_for_long_enough_to_tell() -> None:
    disorder = Disorder()
    for step in range(20):
        assert disorder.see(2.0 * step, [8.0, 20.0], oldest_s=LEAST_S / 2) is None


def test_in_order_the_slowest_wait_as_long_as_the_oldest() -> None:
    disorder = Disorder()
    for step in range(20):
        known = disorder.see(2.0 * step, [19.0, 20.0], oldest_s=20.0)
    assert known == pytest.approx(1.0)


def test_out_of_order_they_wait_so_many_times_as_long() -> None:
    disorder = Disorder()
    for step in range(20):
        known = disorder.see(2.0 * step, [1.0, 5.0, 60.0], oldest_s=20.0)
    assert known == pytest.approx(3.0)


def test_what_is_known_is_kept_while_nothing_waits_and_made_anew_when_something_does() -> None:
    disorder = Disorder()
    for step in range(20):
        disorder.see(2.0 * step, [60.0], oldest_s=20.0)
    disorder.see(40.0, [], oldest_s=0.0)
    later = KEPT_S + 100
    assert disorder.see(later, [1.0], oldest_s=0.5) == pytest.approx(3.0)
    for step in range(1, 20):
        known = disorder.see(later + 2.0 * step, [20.0], oldest_s=20.0)
    assert known == pytest.approx(1.0)
