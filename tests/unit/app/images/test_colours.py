"""Each of Pillow's modes as RGB."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from app.errors import InvalidImage
from app.images.colours import averageable, cut_key, rgb


def shown(image: Image.Image) -> np.ndarray:
    return np.asarray(rgb(averageable(image)))


def floats(*values: float) -> Image.Image:
    return Image.frombytes("F", (len(values), 1), struct.pack(f"={len(values)}f", *values))


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I;16N"])
def test_of_sixteen_bits_the_upper_eight_count(mode: str) -> None:
    order = {"I;16B": ">", "I;16N": "="}.get(mode, "<")
    values = [0, 255, 256, 0x1234, 0xFF00, 0xFFFF]
    image = Image.frombytes(mode, (6, 1), struct.pack(f"{order}6H", *values))

    assert shown(image)[0, :, 1].tolist() == [value >> 8 for value in values]


@pytest.mark.parametrize("values", [(0.0, 0.5, 1.0), (-5.0, 0.0, 5.0), (-3e38, 0.0, 3e38), (1e-9, 5.5e-9, 1e-8)])
def test_any_range_is_stretched_from_black_to_white(values: tuple[float, ...]) -> None:
    tones = shown(floats(*values))[0, :, 0].tolist()

    assert tones[0] == 0
    assert tones[1] == pytest.approx(127.5, abs=1)
    assert tones[2] >= 254


def test_whole_numbers_are_stretched_too() -> None:
    image = Image.frombytes("I", (3, 1), struct.pack("=3i", -(2**31), 0, 2**31 - 1))

    assert shown(image)[0, :, 0].tolist() == [0, 127, 255]


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_counts_as_the_least_and_hides_no_other(odd: float, place: int) -> None:
    values = [10.0, 20.0, 30.0]
    values.insert(place, odd)

    tones = shown(floats(*values))[0, :, 0].tolist()

    assert tones.pop(place) == 0
    assert tones == [0, 127, 255]


@pytest.mark.parametrize("value", [7.0, float("nan"), float("inf")])
def test_where_nothing_differs_all_is_black(value: float) -> None:
    assert shown(floats(value, value)).max() == 0


@pytest.mark.parametrize(("mode", "whole"), [("La", "LA"), ("RGBa", "RGBA")])
def test_premultiplied_colours_are_those_that_they_were(mode: str, whole: str) -> None:
    pixel = (200, 128) if whole == "LA" else (200, 100, 50, 128)
    image = Image.new(whole, (4, 4), pixel)

    assert np.abs(shown(image.convert(mode)).astype(int) - shown(image)).max() <= 1


def test_what_is_transparent_is_white_and_half_of_it_half() -> None:
    assert shown(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).tolist() == [[[255, 255, 255]]]
    assert shown(Image.new("LA", (1, 1), (0, 128))).tolist() == [[[127, 127, 127]]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_colour_that_stands_for_clear_is_white(mode: str) -> None:
    image = Image.new(mode, (2, 2), 0)
    image.info["transparency"] = (0, 0, 0) if mode == "RGB" else 0

    assert shown(image).min() == 255


def test_cmyk_is_subtracted() -> None:
    assert shown(Image.new("CMYK", (1, 1), (255, 0, 0, 0))).tolist() == [[[0, 255, 255]]]


def test_l_a_b_is_refused() -> None:
    with pytest.raises(InvalidImage, match="convert it to RGB"):
        averageable(Image.new("LAB", (2, 2)))


def deep_png(colour: int, values: tuple[int, ...], key: tuple[int, ...]) -> Image.Image:
    """A PNG of sixteen bits of one pixel for each value, of which one colour is clear."""
    channels = len(key)
    width = len(values) // channels
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(0, 2)
    rows = b"\x00" + struct.pack(f">{len(values)}H", *values)
    header = struct.pack(">IIBBBBB", width, 1, 16, colour, 0, 0, 0)
    clear = struct.pack(f">{channels}H", *key)
    for kind, data in ((b"IHDR", header), (b"tRNS", clear), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    image = Image.open(file)
    cut_key(image)
    image.load()
    return image


def test_of_sixteen_bits_too_a_colour_may_stand_for_clear() -> None:
    grey = deep_png(0, (0x0000, 0x1234, 0x8000), (0x1234,))
    assert shown(grey)[0, :, 0].tolist() == [0, 255, 128]

    colour = deep_png(2, (0x0000, 0, 0, 0x1234, 0x5678, 0x9ABC, 0x8000, 0, 0), (0x1234, 0x5678, 0x9ABC))
    assert shown(colour)[0].tolist() == [[0, 0, 0], [255, 255, 255], [128, 0, 0]]

    # Its lower eight bits alone would say that white is clear.
    dark = deep_png(2, (0xFFFF, 0xFFFF, 0xFFFF, 0x00FF, 0x00FF, 0x00FF), (0x00FF, 0x00FF, 0x00FF))
    assert shown(dark)[0, 0].tolist() == [255, 255, 255]
    assert shown(deep_png(2, (0xFFFF, 0, 0, 0, 0, 0), (0xFF, 0, 0)))[0].tolist() == [[255, 0, 0], [255, 255, 255]]
