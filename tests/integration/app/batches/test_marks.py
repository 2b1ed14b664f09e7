"""Marks: put, found by their kind, taken back."""

from __future__ import annotations

from app.batches.marks import Marks
from app.settings import Settings


def test_marks_of_a_kind_are_found_until_they_are_taken_back(config: Settings) -> None:
    marks, others = Marks(config, "_a"), Marks(config, "_b")
    marks.put("2")
    marks.put("1")
    others.put("3")
    marks.put("1")
    assert list(marks.names()) == ["1", "2"]
    marks.remove("1")
    marks.remove("1")
    assert list(marks.names()) == ["2"]
