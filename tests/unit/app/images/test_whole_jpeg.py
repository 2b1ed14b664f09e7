from __future__ import annotations

import io
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.errors import InvalidImage
from app.images import whole_jpeg
from app.images.jpeg import read
from app.images.source import Source
from tests.support import jpegs

KINDS = [
    {"mode": mode, "quality": quality, "progressive": progressive, **restarts}
    for mode, quality, progressive, restarts in product(
        ["RGB", "L", "CMYK"], [30, 95], [False, True], [{}, {"restart_marker_blocks": 1}, {"restart_marker_rows": 1}]
    )
]


def pixels(content: bytes, draft: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        image.draft(None, draft)
        whole_jpeg.guard(image, read(Source(io.BytesIO(content))))  # type: ignore[arg-type]
        return np.asarray(image)


def pillows(content: bytes, draft: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        image.draft(None, draft)
        return np.asarray(image)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("size", [(1, 1), (17, 9), (120, 90)], ids=str)
def test_a_whole_photograph_is_decoded_as_pillow_does_with_or_without_its_end_marker(
    size: tuple[int, int], kind: dict[str, Any]
) -> None:
    content = jpegs.photograph(size, **kind)

    for given in (
        content,
        content[:-1],
        content[:-2],
        content + b"more \xff\xd8\xff\xda",
        content[:-2] + b"\xff\xff\xff\xd9",
    ):
        assert np.array_equal(pixels(given), pillows(content))
    assert np.array_equal(pixels(content[:-2], (30, 20)), pillows(content, (30, 20)))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_photograph_whose_data_ends_early_is_refused_with_or_without_an_end_marker(kind: dict[str, Any]) -> None:
    content = jpegs.photograph((120, 90), **kind)
    last = read(Source(io.BytesIO(content)), scans=True).scans[-1]

    for part in (0.02, 0.3, 0.5, 0.9):
        for end in (b"", jpegs.EOI):
            cut = content[: last.start + int(part * (last.end - last.start))] + end
            with pytest.raises(InvalidImage, match="cut short"):
                pixels(cut)


@pytest.mark.parametrize("progressive", [False, True])
def test_more_than_a_few_blocks_are_never_missing(progressive: bool) -> None:
    content = jpegs.photograph(progressive=progressive)

    with pytest.raises(InvalidImage, match="cut short"):
        pixels(content[:-130] + jpegs.EOI)


def test_a_middle_scan_that_ends_early_is_refused() -> None:
    content = jpegs.photograph(progressive=True)
    scan = read(Source(io.BytesIO(content)), scans=True).scans[1]

    with pytest.raises(InvalidImage, match="cut short"):
        pixels(content[: (scan.start + scan.end) // 2] + content[scan.end :])


def test_a_scan_for_each_channel_is_decoded_and_each_must_be_whole() -> None:
    content = jpegs.in_scans_of_one_channel()

    assert np.array_equal(pixels(content[:-2]), pillows(content))
    with pytest.raises(InvalidImage, match="cut short"):
        pixels(content[:-100] + jpegs.EOI)


def test_a_picture_in_one_scan_is_whole_whatever_comes_behind_it() -> None:
    content = jpegs.photograph((120, 90))
    scan = content[content.index(b"\xff\xda") : -2]

    assert np.array_equal(pixels(content[:-2] + scan), pillows(content))


def test_what_the_decoder_gives_up_on_is_refused_and_not_half_shown() -> None:
    content = jpegs.photograph()

    with pytest.raises(InvalidImage, match="damaged"):
        pixels(content.replace(b"\xff\xda\x00\x0c\x03\x01\x00", b"\xff\xda\x00\x0c\x03\x01\x33"))


@pytest.mark.parametrize("frame", [b"\xff\xc9", b"\xff\xca"])
def test_an_arithmetically_coded_picture_is_left_to_the_decoder_which_knows_no_end(frame: bytes) -> None:
    content = jpegs.photograph((64, 48), "L", progressive=frame == b"\xff\xca")
    coded = content.replace(b"\xff\xc0", frame).replace(b"\xff\xc2", frame)

    assert np.array_equal(pixels(coded), pillows(coded))
