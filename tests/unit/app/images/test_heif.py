from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidImage
from app.images.heif import MAX_BOXES, MAX_ITEMS, MAX_PLACES, brand, read
from app.images.structure import Structure
from tests.support import hostile, stills
from tests.support.readers import asks

structure, reason = asks(read)


@pytest.mark.parametrize(
    ("brands", "name"),
    [
        ((b"heic", b"mif1", b"heic"), "HEIC"),
        ((b"mif1", b"mif1", b"heix"), "HEIC"),
        ((b"mif1", b"miaf"), "HEIF"),
        ((b"avif", b"mif1", b"miaf"), "AVIF"),
        ((b"mif1", b"miaf", b"avif"), "AVIF"),
        ((b"isom", b"mp42"), None),
        ((b"hevc", b"hevc"), None),
    ],
)
def test_a_file_is_what_its_brands_say(brands: tuple[bytes, ...], name: str | None) -> None:
    assert brand(hostile.box("ftyp", brands[0] + bytes(4), *brands[1:]) + b"avif") == name


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize(("format", "name"), [("HEIF", "HEIC"), ("AVIF", "AVIF")])
def test_the_size_is_told_and_the_data_must_all_be_there(format: str, name: str, mode: str) -> None:
    content = stills.still(stills.quarters((320, 200), mode), format)

    assert structure(content) == Structure(name, 320, 200, 64_000, "")
    for end in (-1, len(content) // 2):
        assert "damaged or cut short" in reason(content[:end])


def test_a_grid_counts_by_its_tiles_as_often_as_they_are_used() -> None:
    assert structure(hostile.heif((4032, 3024), kind="grid", tiles=48)).pixels == 48 * 512 * 512
    assert (
        structure(hostile.heif((64, 64), kind="grid", tile=(2_000, 1_000), tiles=900, same=True)).pixels
        == 1_800_000_000
    )


def test_any_item_s_size_counts_though_it_is_not_the_picture() -> None:
    assert structure(hostile.heif((64, 64), tile=(30_000, 20_000))).pixels == 600_000_000


def test_boxes_items_and_places_are_bounded() -> None:
    assert f"more than {MAX_BOXES} boxes" in reason(hostile.heif((64, 64), more=hostile.box("free") * MAX_BOXES))
    assert f"it has {MAX_ITEMS + 2} items" in reason(hostile.heif((64, 64), kind="grid", tiles=MAX_ITEMS + 1))
    assert f"it has {MAX_ITEMS + 1} items" in reason(
        hostile.heif((64, 64), kind="grid", tiles=MAX_ITEMS + 1, same=True)
    )
    assert f"more than {MAX_PLACES} places" in reason(hostile.heif((64, 64), extents=[(0, 8)] * (MAX_PLACES + 1)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (hostile.heif((64, 64), kind="grid", tiles=4, tile_kind="grid"), "itself made of others"),
        (hostile.heif((64, 64), extents=[(0, 1 << 31)]), "an item's data ends beyond the file"),
        (
            hostile.box("ftyp", b"heic", bytes(4)) + hostile.box("moov"),
            "a sequence without a picture that stands still",
        ),
        (hostile.box("ftyp", b"heic", bytes(4)) + hostile.box("meta", full=0), "its picture has no size"),
        (hostile.box("ftyp", b"heic", bytes(4)) + struct.pack(">I", 7) + b"meta", "a box ends beyond what it is in"),
        (
            hostile.box("ftyp", b"heic", bytes(4)) + struct.pack(">I", 1 << 31) + b"meta",
            "a box ends beyond what it is in",
        ),
    ],
)
def test_a_damaged_file_is_refused(content: bytes, words: str) -> None:
    assert words in reason(content)


def test_boxes_of_64_bits_and_one_that_goes_to_the_end_are_read() -> None:
    content = hostile.heif((64, 48))
    start = content.index(b"meta") - 4
    large = struct.pack(">I", 1) + b"meta" + struct.pack(">Q", len(content) - start + 8) + content[start + 8 :]

    assert structure(content[:start] + large).height == 48
    assert structure(content[:start] + struct.pack(">I", 0) + content[start + 4 :]).height == 48


@given(changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=6), end=st.integers(0, 700))
def test_a_damaged_file_raises_nothing_but_invalid_image(changes: list[tuple[int, int]], end: int) -> None:
    content = bytearray(hostile.heif((640, 480), kind="grid", tiles=6))[:end]
    for place, value in changes:
        if place < len(content):
            content[place] = value
    with suppress(InvalidImage):
        structure(bytes(content))
