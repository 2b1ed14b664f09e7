"""What is decoded of an image, and how much of it; what becomes of its colours is in `test_colours`."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.errors import InvalidImage
from app.images.decoding import decode
from app.images.turning import Box, Size
from tests.support import photographs

MANY = 100_000_000


def photograph(size: Size) -> Image.Image:
    return Image.open(io.BytesIO(photographs.coffee())).convert("RGB").resize(size)


def saved(image: Image.Image, format: str, **how: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **how)
    return file.getvalue()


def whole(size: Size) -> tuple[Size, Box]:
    return size, (0, 0, *size)


def plain(image: Image.Image, size: Size, box: Box) -> Image.Image:
    return image.resize(size, Image.Resampling.BICUBIC, box=box)


def test_an_image_that_is_wanted_as_it_is_is_not_resized() -> None:
    def never(image: Image.Image, size: Size, box: Box) -> Image.Image:
        raise AssertionError((size, box))

    image = photograph((123, 77))

    assert np.array_equal(decode(saved(image, "PNG"), whole, never, max_pixels=MANY), image)


@pytest.mark.parametrize(
    ("wanted", "times"), [(800, 1), (716, 1), (714, 2), (358, 2), (357, 4), (180, 4), (178, 8), (3, 8)]
)
def test_a_jpeg_is_decoded_1_4_times_as_large_as_wanted_or_larger(wanted: int, times: int) -> None:
    decoded = []

    def watched(image: Image.Image, size: Size, box: Box) -> Image.Image:
        decoded.append((image.size, box))
        return plain(image, size, box)

    content = saved(photograph((2001, 1001)), "JPEG")
    decode(content, lambda size: ((wanted, wanted // 2), (0, 0, *size)), watched, max_pixels=MANY)

    # The last pixel that the decoder made is of what is left over.
    assert decoded == [((-(-2001 // times), -(-1001 // times)), (0, 0, 2001 / times, 1001 / times))]


def test_a_part_is_that_of_the_whole_however_small_it_was_decoded() -> None:
    image = photograph((2001, 1501))
    box = (500, 300, 1703, 1101)
    part = decode(saved(image, "JPEG", quality=95), lambda size: ((120, 80), box), plain, max_pixels=MANY)

    assert np.abs(np.asarray(part).astype(int) - np.asarray(plain(image, (120, 80), box))).mean() < 1.5


def test_what_is_cut_short_damaged_or_too_large_is_refused() -> None:
    png = saved(photograph((200, 150)), "PNG")
    for content, why in (
        (png[: len(png) // 2], "damaged or cut short"),
        (png[:500] + bytes(500) + png[1000:], "damaged or cut short"),
        (photographs.bomb(), "200 megapixels"),
        (b"", "empty"),
    ):
        with pytest.raises(InvalidImage, match=why):
            decode(content, whole, plain, max_pixels=MANY)
