"""Which file names are taken, and the keys they become."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidImage
from web.uploads import names


@pytest.mark.parametrize(
    "name", ["cat.jpg", "café.jpg", "no extension", 'x"><script>.jpg', ".hidden", "a" * 200, "%2e%2e"]
)
def test_a_name_that_a_desktop_can_have_is_taken(name: str) -> None:
    names.check(name)
    assert next(names.keys("batch", name, "0" * 32)) == f"batch/{name}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no name"),
        ("../../etc/passwd", "must not hold a path"),
        ("C:\\photos\\cat.jpg", "must not hold a path"),
        ("cat\r\n.jpg", "control characters"),
        ("cat\x00.jpg", "control characters"),
        ("a" * 201, "longer than 200 bytes"),
        ("é" * 101, "longer than 200 bytes"),
        ("..", "reserved"),
        ("cat.error", "reserved"),
    ],
)
def test_a_name_that_could_do_harm_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(InvalidImage, match=reason):
        names.check(name)


def test_another_file_of_the_same_name_gets_a_number_and_at_last_a_digest() -> None:
    assert list(islice(names.keys("b", "cat.tar.gz", "d41d8cd98f00"), 3)) == [
        "b/cat.tar.gz",
        "b/cat.tar (2).gz",
        "b/cat.tar (3).gz",
    ]
    assert list(names.keys("b", ".hidden", "d41d8cd98f00"))[-1] == "b/.hidden (d41d8cd9)"


@given(st.text(), st.text(min_size=1))
def test_a_refused_file_never_gets_the_key_of_an_image(refused: str, taken: str) -> None:
    key = names.rejected_key("batch", refused, "d41d8cd98f00b204")
    assert names.is_rejected(key)
    assert key.count("/") == 3
    assert not any(ord(character) < 32 for character in key)
    assert len(key.encode()) < 300
    if "/" not in taken:
        assert not any(names.is_rejected(other) for other in names.keys("batch", taken, "d41d8cd98f00b204"))
