from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidImage
from app.images.structure import Structure
from app.images.tiff import MAX_PARTS, MAX_TAGS, MAX_VALUES, read
from tests.support import jpegs
from tests.support.hostile import grey_tiff, tiff
from tests.support.readers import asks

structure, reason = asks(read)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_the_size_is_told(compression: str) -> None:
    assert structure(jpegs.saved("TIFF", (33, 20), compression=compression)) == Structure("TIFF", 33, 20, 660, "")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_each_order_of_bytes_and_length_of_offsets_is_read(order: str, big: bool) -> None:
    assert structure(tiff(grey_tiff(30, 20), order=order, big=big, tail=600)) == Structure("TIFF", 30, 20, 600, "")


def test_a_tile_larger_than_its_image_counts_by_the_tile() -> None:
    tags = grey_tiff(30, 20, t322=(4, 1, 20_000), t323=(4, 1, 20_000), t324=(4, 1, 8))
    del tags[273]

    assert structure(tiff(tags, tail=600)).pixels == 400_000_000


def test_uncompressed_pixels_must_be_there() -> None:
    assert structure(tiff(grey_tiff(1_000, 1_000))).lacks.endswith("bytes for 1000 x 1000 pixels")


def test_strips_are_bounded_by_what_the_pixels_take_and_absolutely() -> None:
    def strips(count: int, height: int) -> bytes:
        return tiff(grey_tiff(1, height, t273=(4, count, struct.pack("<I", 8) * count), t278=(3, 1, 1), t259=(3, 1, 5)))

    assert structure(strips(30_000, 30_000)).height == 30_000
    assert "strips or tiles for 1 x 20 pixels" in reason(strips(2_000, 20))
    assert "strips or tiles" in reason(strips(MAX_PARTS + 1, MAX_PARTS + 1))
    assert f"tag 273 has {MAX_VALUES + 1} values" in reason(strips(MAX_VALUES + 1, MAX_VALUES + 1))


def test_planes_of_their_own_have_strips_of_their_own() -> None:
    offsets = struct.pack("<I", 8) * 6_000
    tags = grey_tiff(1, 2_000, t273=(4, 6_000, offsets), t278=(3, 1, 1), t277=(3, 1, 3), t284=(3, 1, 2))

    assert structure(tiff(tags)).height == 2_000


def test_tags_that_share_their_bytes_are_refused_as_more_than_the_file() -> None:
    shared = {f"t{tag}": (7, 5_000, 8) for tag in range(40_000, 40_010)}

    assert "tag 4000" in reason(tiff(grey_tiff(1, 1, **shared), tail=6_000))  # type: ignore[arg-type]


def test_a_tag_whose_bytes_lie_beyond_the_file_is_as_good_as_absent() -> None:
    assert structure(tiff(grey_tiff(30, 20, t40000=(7, 5_000, 1 << 31)), tail=600)).width == 30
    assert "0 x 20 pixels" in reason(tiff(grey_tiff(30, 20, t256=(4, 500, 1 << 31)), tail=600))


def test_a_directory_has_no_more_tags_than_any_camera_writes() -> None:
    many = {f"t{tag}": (3, 1, 1) for tag in range(1_000, 1_000 + MAX_TAGS)}

    assert "tags" in reason(tiff(grey_tiff(30, 20, **many), tail=600))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"t50706": (1, 4, 0x01040000)}, "DNG"),
        ({"t254": (4, 1, 1), "t330": (4, 1, 8), "t271": (2, 18, b"NIKON CORPORATION\0")}, "NIKON CORPORATION"),
        ({"t254": (4, 1, 1), "t330": (4, 1, 8), "t271": (2, 5, b"SONY\0")}, "SONY"),
        ({"t259": (3, 1, 65_535), "t271": (2, 7, b"PENTAX\0")}, "PENTAX"),
        ({"t259": (3, 1, 34_713)}, "RAW photograph;"),
    ],
)
def test_a_camera_s_raw_photograph_is_named_though_it_is_a_tiff(
    more: dict[str, tuple[int, int, int | bytes]], name: str
) -> None:
    words = reason(tiff(grey_tiff(30, 20, **more), tail=600))

    assert "a camera's RAW photograph" in words
    assert name in words
    assert "export it as JPEG" in words


def test_canons_raw_photograph_is_known_by_its_mark() -> None:
    content = bytearray(tiff(grey_tiff(30, 20), tail=600))
    moved = content[:4] + struct.pack("<I", 16) + b"CR\x02\0" + bytes(4) + content[8:]

    assert "a camera's RAW photograph" in reason(bytes(moved))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tiff(grey_tiff(30, 0)), "30 x 0 pixels"),
        (tiff(grey_tiff(30, 20, t259=(3, 1, 9)), tail=600), "compressed in a way that nothing here undoes (9)"),
        (tiff(grey_tiff(30, 20, t278=(3, 1, 0)), tail=600), "tiles of 30 x 0 pixels"),
        (tiff({}), "0 tags"),
        (b"II*\0\xff\xff\xff\xff", "it ends too early"),
        (b"II*\0", "it ends too early"),
    ],
)
def test_a_damaged_tiff_is_refused(content: bytes, words: str) -> None:
    assert words in reason(content)


@given(
    number=st.integers(0, 6),
    type=st.integers(0, 20),
    count=st.integers(0, 2**32 - 1),
    value=st.integers(0, 2**32 - 1),
)
def test_any_numbers_in_a_tag_raise_nothing_but_invalid_image(number: int, type: int, count: int, value: int) -> None:
    content = bytearray(tiff(grey_tiff(30, 20), tail=600))
    content[10 + 12 * number + 2 : 10 + 12 * number + 12] = struct.pack("<HII", type, count, value)
    with suppress(InvalidImage):
        assert structure(bytes(content)).pixels > 0
