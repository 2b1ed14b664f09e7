"""What holds launches back, in words."""

from __future__ import annotations

from itertools import product

import pytest

from app.brakes import Brake, holding


@pytest.mark.parametrize("brake", Brake)
def test_each_has_a_sentence(brake: Brake) -> None:
    assert brake.says.endswith(".")


def test_those_hold_that_are_said_to() -> None:
    for flags in product((False, True), repeat=3):
        found = holding(breaker=flags[0], budget=flags[1], spot=flags[2])
        assert found == tuple(brake for brake, holds in zip(Brake, flags, strict=True) if holds)


def test_images_wait_for_the_breaker_and_the_budget_and_not_for_spot() -> None:
    assert [brake.stops for brake in Brake] == [True, True, False]
