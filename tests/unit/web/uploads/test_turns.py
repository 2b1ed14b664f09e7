"""Whose turn it is."""

from __future__ import annotations

import math

import pytest

from web.uploads import turns
from web.uploads.turns import Turns


def test_the_first_images_of_a_batch_go_first_however_they_are_sent() -> None:
    seen = Turns()
    assert [seen.first("a", 3, 5), seen.first("a", 3, 5), seen.first("a", 1, 5)] == [3, 2, 0]
    assert seen.first("b", 9, 5) == 5, "another batch has a share of its own"


def test_none_or_all_of_a_batch_may_go_first() -> None:
    seen = Turns()
    assert (seen.first("a", 3, 0), seen.first("b", 3, math.inf)) == (0, 3)


def test_only_batches_of_late_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "REMEMBERED", 2)
    seen = Turns()
    for batch in ("a", "b", "c"):
        seen.first(batch, 5, 5)
    assert [seen.first("c", 5, 5), seen.first("a", 5, 5)] == [0, 5]
