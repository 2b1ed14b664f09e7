from __future__ import annotations

import io
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.errors import InvalidImage
from app.images.decoding import BYTES_PER_PIXEL
from tasks.engine.artifact import Preprocessing
from tasks.engine.decode import Pixels, decode, region
from tests.support import photographs, stills

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

USUAL = Preprocessing(256, 224, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NATIVE = Preprocessing(None, None, "bicubic", (0, 0, 0), (1, 1, 1))
MAX_PIXELS = 100_000_000
# What a shift by one pixel makes of the photograph, in levels; rounding in another order makes a tenth at most, and a
# JPEG that its decoder makes smaller a quarter.
SHIFT = 2.5


@cache
def photograph(size: tuple[int, int] = (500, 375)) -> Image.Image:
    return Image.open(io.BytesIO(photographs.coffee())).convert("RGB").resize(size)


def saved(image: Image.Image, format: str, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **how)
    return file.getvalue()


def seen(content: bytes, how: Preprocessing = USUAL) -> Pixels:
    return decode(content, how, max_pixels=MAX_PIXELS)


def usual(image: Image.Image) -> NDArray[np.uint8]:
    """The two steps of torchvision: the shorter side to 256, the middle 224."""
    width, height = image.size
    short = min(width, height)
    image = image.resize((int(256 * width / short), int(256 * height / short)), Image.Resampling.BICUBIC)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    return np.asarray(image.crop((left, top, left + 224, top + 224)))


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The mean difference in levels of 0 to 255."""
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (333, 334), (224, 224), (100, 80), (1000, 257), (1, 1)])
def test_the_pixels_are_those_of_resizing_and_then_cropping(size: tuple[int, int]) -> None:
    image = photograph(size)

    assert difference(seen(saved(image, "PNG")), usual(image)) < SHIFT / 10


def test_a_shift_by_a_pixel_would_be_seen() -> None:
    pixels = usual(photograph())

    assert difference(pixels[:, 1:], pixels[:, :-1]) > SHIFT


# Each leaves an odd margin to both sides of the middle, so that what is counted from the wrong end is a pixel off.
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (2000, 1501)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright_as_exif_says(orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    formats = {"JPEG": {"quality": 95, "subsampling": 0}, "PNG": {"compress_level": 1}, "TIFF": {}}
    formats |= {"WEBP": {"quality": 95}, "MPO": {"quality": 95, "subsampling": 0, "save_all": True}}
    for format, how in formats.items():
        if size[0] == 2000 and format not in {"JPEG", "MPO"}:
            continue
        content = saved(photograph(size), format, exif=exif, **how)
        upright = Image.open(io.BytesIO(content)).convert("RGB")
        if format != "TIFF":  # Pillow turns it itself.
            upright = ImageOps.exif_transpose(upright)
        expected = usual(upright)
        far = difference(seen(content), expected)

        assert far < SHIFT / 4, format
        for axis in (0, 1):
            for by in (-1, 1):
                assert far < difference(np.roll(seen(content), by, axis), expected) / 4, (format, axis, by)
        assert seen(content, NATIVE).shape[:2] == tuple(
            round(side * min(1, 1024 / max(upright.size))) for side in upright.size[::-1]
        )


def test_orientation_that_can_not_be_read_leaves_the_image_as_stored() -> None:
    broken = saved(photograph(), "JPEG", quality=95, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")

    assert difference(seen(broken), usual(photograph())) < 3


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_each_format_gives_the_photograph(format: str) -> None:
    assert difference(seen(saved(photograph(), format)), usual(photograph())) < 8


@pytest.mark.parametrize(
    ("mode", "format", "most"),
    [
        ("L", "PNG", 0.5),
        ("1", "PNG", 70),
        ("P", "PNG", 8),
        ("LA", "PNG", 0.5),
        ("RGBA", "PNG", 0.5),
        ("CMYK", "JPEG", 4),
        ("CMYK", "TIFF", 1),
        ("YCbCr", "TIFF", 2),
        ("I;16", "PNG", 1),
        ("I;16B", "TIFF", 1),
        ("I", "TIFF", 12),
        ("F", "TIFF", 12),
    ],
)
def test_each_kind_of_colour_becomes_rgb(mode: str, format: str, most: float) -> None:
    grey = photograph().convert("L")
    colourless = mode in {"L", "1", "LA", "I", "F"} or mode.startswith("I;16")
    expected = usual((grey if colourless else photograph()).convert("RGB"))
    if mode.startswith("I;16"):
        kind = ">u2" if mode == "I;16B" else "<u2"
        image = Image.frombytes(mode, grey.size, (np.asarray(grey).astype(np.uint16) * 257).astype(kind).tobytes())
    else:
        image = photograph().convert(mode)

    assert difference(seen(saved(image, format)), expected) < most


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (300, 300), (255, 0, 0, 0))
    palette = Image.new("P", (300, 300), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    keyed = Image.new("RGB", (300, 300), (255, 0, 0))

    for content in (
        saved(clear, "PNG"),
        saved(clear, "WEBP", lossless=True),
        saved(clear.convert("LA"), "PNG"),
        saved(palette, "PNG", transparency=0),
        saved(palette, "GIF", transparency=0),
        saved(keyed, "PNG", transparency=(255, 0, 0)),
    ):
        assert seen(content).min() == 255


def test_half_transparent_is_half_white() -> None:
    pixels = seen(saved(Image.new("RGBA", (300, 300), (0, 0, 0, 128)), "PNG"))

    assert pixels.min() == pixels.max() == 127


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animated_image_the_first_frame_counts(format: str) -> None:
    frames = [Image.new("RGB", (300, 300), colour) for colour in ("blue", "red", "red")]
    content = saved(frames[0], format, save_all=True, append_images=frames[1:])

    assert difference(seen(content), np.asarray(frames[0].resize((224, 224)))) < 3


@pytest.mark.parametrize("size", [(4000, 3000), (3000, 2250), (1000, 750)])
def test_a_large_jpeg_is_decoded_small_and_looks_the_same(size: tuple[int, int]) -> None:
    image = photograph(size)
    content = saved(image, "JPEG", quality=95)

    assert difference(seen(content), usual(image)) < 1


def test_an_image_keeps_its_size_where_the_model_wants_it_native() -> None:
    image = photograph((250, 165))

    assert np.array_equal(seen(saved(image, "PNG"), NATIVE), np.asarray(image))


def test_a_native_image_beyond_the_longest_side_is_made_smaller() -> None:
    for format in ("PNG", "JPEG"):
        assert seen(saved(photograph((3000, 1500)), format), NATIVE).shape == (512, 1024, 3)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_an_image_that_is_cut_short_is_refused(format: str, part: float) -> None:
    whole = saved(photograph(), format)

    with pytest.raises(InvalidImage, match=r"damaged or cut short"):
        seen(whole[: int(len(whole) * part)])


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(InvalidImage, match="200 megapixels"):
        seen(photographs.bomb())


@given(
    format=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_damaged_file_never_raises_anything_but_invalid_image(format: str, changes: list[tuple[float, int]]) -> None:
    content = bytearray(saved(photograph((60, 40)), format))
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    with suppress(InvalidImage):
        assert seen(bytes(content)).shape == (224, 224, 3)


@given(width=st.integers(1, 5000), height=st.integers(1, 5000))
def test_the_box_lies_in_the_image_and_the_size_is_the_models(width: int, height: int) -> None:
    target, (left, top, right, bottom) = region((width, height), USUAL)

    assert target == (224, 224)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_decoding_holds_no_more_memory_than_is_stated(tmp_path: Path) -> None:
    size = (2000, 1500)
    image = photograph(size)
    files = {
        "a.jpg": saved(image, "JPEG", progressive=True, subsampling=0),
        "a.png": saved(image.convert("RGBA"), "PNG", compress_level=1),
        "p.png": saved(image.convert("P"), "PNG", transparency=3),
        "a.webp": saved(image, "WEBP", lossless=True, method=0),
        "a.tif": saved(image.convert("F"), "TIFF"),
        "a.gif": saved(image, "GIF"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *(str(tmp_path / name) for name in files)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[4],
    )

    held = dict(zip(files, map(int, done.stdout.split()), strict=True))
    assert {name: bytes for name, bytes in held.items() if bytes > BYTES_PER_PIXEL * size[0] * size[1]} == {}
    assert held["a.webp"] > 5 * size[0] * size[1], "the measure is blind"


# Prints what decoding each file adds to the process's resident memory at its highest, in bytes.
MEASURE = """
import io, sys
from PIL import Image
from tasks.engine.artifact import Preprocessing
from tasks.engine.decode import decode

def highest():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

how = Preprocessing(256, 224, "bicubic", (0, 0, 0), (1, 1, 1))
small = io.BytesIO()
Image.new("RGB", (300, 300)).save(small, "PNG")
decode(small.getvalue(), how, max_pixels=10**8)  # Everything is imported now.
for path in sys.argv[1:]:
    content = open(path, "rb").read()
    open("/proc/self/clear_refs", "w").write("5")
    before = highest()
    decode(content, how, max_pixels=10**8)
    print(highest() - before)
"""


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_what_phones_and_browsers_make_is_seen_as_the_same_photograph_in_another_format(format: str) -> None:
    image = photograph((640, 480))

    assert difference(seen(stills.still(image, format, quality=95)), usual(image)) < SHIFT


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_a_still_that_is_cut_short_is_refused(format: str, part: float) -> None:
    whole = stills.still(photograph(), format)

    with pytest.raises(InvalidImage, match="damaged or cut short"):
        seen(whole[: int(part * len(whole))])
