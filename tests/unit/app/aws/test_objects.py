"""Which keys can go by obstore."""

from __future__ import annotations

import pytest

from app.aws.objects import nameable


@pytest.mark.parametrize(
    ("key", "fits"),
    [("b/a.png", True), ("b/ä é.png", True), ("b//a.png", False), ("b/../a.png", False), ("/a", False), ("a\n", False)],
)
def test_a_key_that_obstore_would_change_goes_another_way(key: str, fits: bool) -> None:
    assert nameable(key) is fits
