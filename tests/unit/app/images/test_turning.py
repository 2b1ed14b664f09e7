"""The upright picture, and where its parts are stored."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from app.images.turning import UPRIGHT, orientation, stored_box, turn, turned

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

ORIENTATION = 0x0112


def numbered(size: tuple[int, int]) -> Image.Image:
    """A picture of which no two pixels are the same."""
    values = np.arange(size[0] * size[1], dtype=np.int32).reshape(size[1], size[0])
    return Image.fromarray(values)


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    way=st.integers(1, 8),
    ends=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_a_part_that_is_cut_and_then_turned_is_that_of_the_turned(
    size: tuple[int, int], way: int, ends: tuple[float, float, float, float]
) -> None:
    upright = turn(numbered(size), way)
    assert upright.size == turned(size, way)
    width, height = upright.size
    left, top = int(ends[0] * (width - 1)), int(ends[1] * (height - 1))
    right, bottom = left + 1 + int(ends[2] * (width - 1 - left)), top + 1 + int(ends[3] * (height - 1 - top))

    part = stored_box((left, top, right, bottom), upright.size, way)
    cut = numbered(size).crop(tuple(map(int, part)))

    assert np.array_equal(np.asarray(turn(cut, way)), np.asarray(upright.crop((left, top, right, bottom))))


def reopened(way: object, format: str = "JPEG") -> Image.Image:
    exif = Image.Exif()
    exif[ORIENTATION] = way
    file = io.BytesIO()
    Image.new("RGB", (20, 10)).save(file, format, exif=exif)
    return Image.open(file)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("way", range(1, 9))
def test_a_picture_is_turned_as_pillow_turns_it(way: int, format: str) -> None:
    source = reopened(way, format)
    source.load()

    assert orientation(source) == way
    assert turn(source, way).size == ImageOps.exif_transpose(source).size == turned((20, 10), way)


def test_tiff_is_turned_when_it_is_loaded_and_not_again() -> None:
    source = reopened(6, "TIFF")
    source.load()

    assert source.size == (10, 20)
    assert orientation(source) == UPRIGHT


@pytest.mark.parametrize("way", [0, 9, 255, -1, "6", b"\x06", (6, 6), None, 6.5, float("nan"), [6]])
def test_what_is_no_orientation_leaves_the_picture_as_stored(way: object) -> None:
    source = Image.new("RGB", (20, 10))
    source.getexif()[ORIENTATION] = way

    assert orientation(source) == UPRIGHT


@pytest.mark.parametrize("way", [6, 6.0, Fraction(6)])
def test_a_whole_number_of_another_type_is_heeded(way: object) -> None:
    source = Image.new("RGB", (20, 10))
    source.getexif()[ORIENTATION] = way

    assert orientation(source) == 6
    assert type(orientation(source)) is int


def test_exif_that_can_not_be_read_leaves_the_picture_as_stored() -> None:
    for exif in (b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00", b"Exif\x00\x00MM\x00", b"\x00" * 40):
        file = io.BytesIO()
        Image.new("RGB", (20, 10)).save(file, "JPEG", exif=exif)

        assert orientation(Image.open(file)) == UPRIGHT


def test_orientation_that_only_xmp_tells_is_heeded() -> None:
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    for format in ("JPEG", "WEBP"):
        file = io.BytesIO()
        Image.new("RGB", (20, 10)).save(file, format, xmp=packet)

        assert orientation(Image.open(file)) == 8
