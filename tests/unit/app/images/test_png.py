from __future__ import annotations

import pytest

from app.images.png import MAX_CHUNKS, MAX_OTHERS, read
from app.images.structure import Structure
from tests.support import hostile, jpegs
from tests.support.readers import asks

structure, reason = asks(read)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_the_size_is_told(mode: str) -> None:
    assert structure(jpegs.saved("PNG", (33, 20), mode)) == Structure("PNG", 33, 20, 660, "")


def test_a_picture_of_one_colour_does_not_lack_data_and_an_empty_one_does() -> None:
    assert structure(hostile.flat_png(3_000, 3_000)).lacks == ""
    assert (
        structure(hostile.png(3_000, 3_000, ("IDAT", bytes(20)), hostile.END)).lacks
        == "20 bytes for 3000 x 3000 pixels"
    )


def test_an_end_that_is_missing_does_not_matter_and_pixels_that_are_do() -> None:
    content = hostile.flat_png(100, 100)

    assert structure(content[:-12]).lacks == ""
    assert structure(content[:-12] + b"\0\0\xff\xfftEXt").lacks == ""
    assert "its data ends beyond the file" in reason(content[:-30])


def test_chunks_are_bounded_in_number() -> None:
    assert structure(hostile.flat_png(9, 9, *[("teSt", b"")] * MAX_OTHERS)).width == 9
    assert "more texts than picture" in reason(hostile.flat_png(9, 9, *[("zTXt", b"a\0\0")] * (MAX_OTHERS + 1)))
    assert f"more than {MAX_CHUNKS} chunks" in reason(hostile.png(9, 9, *[("IDAT", b"")] * (MAX_CHUNKS + 1)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (hostile.png(0, 9), "0 x 9 pixels"),
        (hostile.png(9, 0), "9 x 0 pixels"),
        (hostile.png(9, 9, colour=1), "of kind 1"),
        (hostile.png(9, 9, depth=4), "with 4 bits"),
        (hostile.SIGNATURE + hostile.chunk("IDAT", bytes(20)), "does not begin with its header"),
        (hostile.png(9, 9)[:20], "it ends too early"),
    ],
)
def test_a_damaged_png_is_refused(content: bytes, words: str) -> None:
    assert words in reason(content)
