from __future__ import annotations

import io
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from app.errors import InvalidImage
from app.images.check import ImageType, check
from tests.support import hostile, photographs

# Pillow warns of what is strange in a file; outside of tests app.images.check silences it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

MAX_PIXELS = 100_000_000


def saved(format: str, size: tuple[int, int] = (30, 20), mode: str = "RGB", **how: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, format, **how)
    return file.getvalue()


def reason(content: bytes, max_pixels: int = MAX_PIXELS) -> str:
    with pytest.raises(InvalidImage) as caught:
        check(io.BytesIO(content), max_pixels=max_pixels)
    return str(caught.value)


@pytest.mark.parametrize(
    ("format", "content_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
    ],
)
def test_each_format_is_known_by_its_content_and_tells_its_size(format: str, content_type: str) -> None:
    assert check(io.BytesIO(saved(format)), max_pixels=MAX_PIXELS) == ImageType(content_type, 30, 20)


def test_a_jpeg_of_several_pictures_is_a_jpeg() -> None:
    content = saved("MPO", save_all=True, append_images=[Image.new("RGB", (30, 20))])

    assert check(io.BytesIO(content), max_pixels=MAX_PIXELS).content_type == "image/jpeg"


def test_the_stream_is_rewound_whether_the_image_is_good_or_not() -> None:
    for content in (saved("PNG"), b"no image at all"):
        stream = io.BytesIO(content)
        stream.seek(3)
        with suppress(InvalidImage):
            check(stream, max_pixels=MAX_PIXELS)
        assert stream.tell() == 0


def test_a_file_of_another_format_that_pillow_could_open_is_refused() -> None:
    assert "a PNM image" in reason(saved("PPM"))
    assert "an icon" in reason(saved("ICO", (16, 16)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"meow, said the cat", "this is not an image; JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF is taken"),
        (b"%PDF-1.7 ...", "a PDF document; convert it"),
        (b"\x00\x00\x00\x18ftyphevc\x00\x00\x00\x00", "a HEIC sequence of pictures; convert it"),
        (b"<!DOCTYPE html><title>cat.jpg</title>", "a web page"),
        (saved("PNG")[:20], "damaged or cut short"),
        (saved("JPEG")[:20], "damaged or cut short"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason_for_its_owner(content: bytes, words: str) -> None:
    assert words in reason(content)


def test_a_200_megapixel_bomb_is_refused_by_its_header() -> None:
    assert reason(photographs.bomb()) == "the image has 200 megapixels (20000 x 10000); at most 100 are taken"


def test_the_pixel_limit_is_the_callers_above_and_below_pillows_own() -> None:
    assert check(io.BytesIO(hostile.flat_png(20_000, 10_000)), max_pixels=200_000_000).width == 20_000
    assert "at most 0.0005 are taken" in reason(saved("PNG", (30, 20)), max_pixels=500)


def test_a_tile_larger_than_its_image_counts_by_the_tile() -> None:
    # Width, length, bits, compression, photometric, samples, tile's width and length, its offset and bytes.
    tags = {256: 30, 257: 20, 258: 8, 259: 8, 262: 1, 277: 1, 322: 20_000, 323: 20_000, 324: 8, 325: 8}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())

    assert "400 megapixels (30 x 20)" in reason(b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 10) + entries + bytes(4))


@given(
    format=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    changes=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=8),
    end=st.integers(0, 2000),
)
@example(format="TIFF", changes=[(4, 255)], end=2000)
def test_a_damaged_header_never_raises_anything_but_invalid_image(
    format: str, changes: list[tuple[int, int]], end: int
) -> None:
    content = bytearray(saved(format))[:end]
    for place, value in changes:
        if place < len(content):
            content[place] = value
    with suppress(InvalidImage):
        check(io.BytesIO(content), max_pixels=MAX_PIXELS)
