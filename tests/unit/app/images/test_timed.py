"""Decoders that are ended when their time is over, each where it reads on."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from app.errors import InvalidImage
from app.images import decoding
from app.images.check import open_header
from app.images.decoding import decode
from app.images.timed import TimedFile
from tests.support import jpegs

MANY = 100_000_000
HOURS = 10_000


def noise(size: tuple[int, int], format: str, mode: str = "RGB", **how: Any) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(file, format, **how)
    return file.getvalue()


class Counted(TimedFile):
    """Has time for some reads and no more."""

    reads = HOURS

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads -= 1
        if not self.reads:
            self.allow(0)
        return super().read(size)


# WebP, and TIFF that is compressed, are decoded whole; how long that may take is bounded by their structure.
INTERRUPTED = {
    "JPEG": lambda: noise((900, 600), "JPEG", quality=95),
    "JPEG, progressive": lambda: noise((900, 600), "JPEG", quality=95, progressive=True),
    "JPEG, many scans": lambda: jpegs.scans((100, 100), 90),
    "PNG": lambda: noise((900, 600), "PNG"),
    "GIF": lambda: noise((900, 600), "GIF", "L"),
    "BMP": lambda: noise((900, 600), "BMP"),
    "TIFF": lambda: noise((900, 600), "TIFF"),
}


@pytest.mark.parametrize("kind", INTERRUPTED)
def test_a_decoder_whose_time_is_over_is_ended_where_it_is(kind: str) -> None:
    content = INTERRUPTED[kind]()
    with open_header(Counted(content), max_pixels=MANY) as source:
        source.load()

    file = Counted(content)
    with open_header(file, max_pixels=MANY) as source:
        file.reads = 4
        with pytest.raises(InvalidImage, match="takes too long to decode"):
            source.load()


def test_time_that_others_take_does_not_count_and_there_is_none_without_end() -> None:
    file = TimedFile(b"abc")
    assert file.read() == b"abc"
    file.seek(0)
    file.allow(HOURS)
    assert file.read(2) == b"ab"
    file.allow(0)
    with pytest.raises(InvalidImage):
        file.read(0)


def test_an_image_that_takes_too_long_keeps_no_other_from_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As large as those that wait for each other."""
    content = noise((4000, 2100), "PNG", "L", compress_level=1)

    def small(size: tuple[int, int]) -> Any:
        return (40, 21), (0, 0, *size)

    def decoded() -> Image.Image:
        return decode(content, small, lambda image, size, box: image.resize(size, box=box), max_pixels=MANY)

    with monkeypatch.context() as short:
        short.setattr(decoding, "BASE_SECONDS", 0)
        short.setattr(decoding, "SECONDS_PER_PIXEL", 0)
        with pytest.raises(InvalidImage, match="takes too long to decode"):
            decoded()
    assert decoded().size == (40, 21)


def test_a_large_picture_is_given_more_time_than_a_small_one() -> None:
    assert decoding.SECONDS_PER_PIXEL * MANY > 5 * decoding.BASE_SECONDS
