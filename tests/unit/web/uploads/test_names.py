"""Which file names are taken, and the keys they become."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import path_of
from app.errors import InvalidImage
from app.storage import MAX_KEY_BYTES
from web.uploads import names


@pytest.mark.parametrize(
    "name",
    ["cat.jpg", "café.jpg", "no extension", 'x"><script>.jpg', ".hidden", "照" * 66 + ".jpg", "a" * 974, "%2e%2e"],
)
def test_a_name_that_a_desktop_can_have_is_taken(name: str) -> None:
    names.check(name)
    assert next(names.keys("batch", name, "0" * 32)) == f"batch/{name}"


@pytest.mark.parametrize(
    "path", ["2023/cat.jpg", "a.b/c d/照.jpg", "rejected/cat.jpg", "..a/...", "a" * 900 + "/b" * 37]
)
def test_a_name_comes_with_its_folders(path: str) -> None:
    names.check(path)
    key = next(names.keys("batch", path, "0" * 32))
    assert key == f"batch/{path}"
    assert not names.is_rejected(key)
    assert path_of(key) == path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no name"),
        ("../../etc/passwd", "must not hold a path that is absolute"),
        ("a/../b.jpg", "must not hold a path that is absolute"),
        ("./a.jpg", "must not hold a path that is absolute"),
        ("/etc/passwd", "must not hold a path that is absolute"),
        ("a//b.jpg", "must not hold a path that is absolute"),
        ("a/", "must not hold a path that is absolute"),
        ("C:\\photos\\cat.jpg", "must not hold a path with backslashes"),
        ("..\\cat.jpg", "must not hold a path with backslashes"),
        ("a\n/cat.jpg", "control characters"),
        ("a/" * 487 + "b", "longer than 974 bytes"),
        ("rejected/0123456789ab/cat.jpg", "reserved"),
        ("a/cat.error", "reserved"),
        ("cat\r\n.jpg", "control characters"),
        ("cat\x00.jpg", "control characters"),
        ("a" * 975, "longer than 974 bytes"),
        ("é" * 488, "longer than 974 bytes"),
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


def test_a_number_goes_to_the_file_and_never_to_its_folder() -> None:
    assert list(islice(names.keys("b", "photos.2023/cat", "d41d8cd98f00"), 2))[1] == "b/photos.2023/cat (2)"
    assert list(islice(names.keys("b", "day.1/cat.png", "d41d8cd98f00"), 2))[1] == "b/day.1/cat (2).png"


@given(st.text(min_size=1, max_size=names.MAX_BYTES), st.text(max_size=2000))
def test_whatever_is_taken_or_refused_has_a_key_that_s3_has_room_for(taken: str, refused: str) -> None:
    batch, digest = "20261124T101530123Z-9f2c01ab", "d41d8cd98f00b204e9800998ecf8427e"
    assert len(names.rejected_key(batch, refused, digest).encode()) <= MAX_KEY_BYTES
    if len(taken.encode()) <= names.MAX_BYTES:
        assert all(len(key.encode()) <= MAX_KEY_BYTES for key in names.keys(batch, taken, digest))


@given(st.text(), st.text(min_size=1))
def test_a_refused_file_never_gets_the_key_of_an_image(refused: str, taken: str) -> None:
    key = names.rejected_key("batch", refused, "d41d8cd98f00b204")
    assert names.is_rejected(key)
    assert names.REJECTED.match(key.removeprefix("batch/"))
    assert all(part not in {"", ".", ".."} for part in key.split("/"))
    assert not any(ord(character) < 32 for character in key)
    try:
        names.check(taken)
    except InvalidImage:
        return
    assert not any(names.is_rejected(other) for other in names.keys("batch", taken, "d41d8cd98f00b204"))


def test_a_refused_file_keeps_its_path() -> None:
    assert path_of(names.rejected_key("batch", "2023/text.jpg", "d41d8cd98f00b204")) == "2023/text.jpg"
    assert path_of(names.rejected_key("batch", "../a\\b//c.jpg", "d41d8cd98f00b204")) == "a_b/c.jpg"
