from __future__ import annotations

import pytest

from app.images.bmp import MAX_RLE_BYTES, MAX_RLE_PIXELS, MAX_RLE_WIDTH, read
from app.images.structure import Structure
from tests.support import hostile, jpegs
from tests.support.readers import asks

structure, reason = asks(read)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_the_size_is_told_and_the_data_is_all_there(mode: str) -> None:
    content = jpegs.saved("BMP", (33, 20), mode)

    assert structure(content) == Structure("BMP", 33, 20, 660, "")
    assert structure(content[:-5]).lacks


@pytest.mark.parametrize("header", [40, 52, 56, 64, 108, 124])
def test_each_header_is_known_and_rows_may_come_from_the_top(header: int) -> None:
    assert structure(hostile.bmp(3, -2, bytes(24), header=header)) == Structure("BMP", 3, 2, 6, "")


def test_a_header_of_the_first_kind_has_short_numbers() -> None:
    content = b"BM" + bytes(8) + bytes([26, 0, 0, 0, 12, 0, 0, 0, 3, 0, 2, 0, 1, 0, 24, 0]) + bytes(24)

    assert structure(content) == Structure("BMP", 3, 2, 6, "")


def test_run_lengths_are_taken_as_far_as_they_cost_little() -> None:
    assert structure(hostile.bmp(640, 480, b"\xff\x01" * 1_300, depth=8, compression=1)).lacks == ""
    for width, height, size in (
        (100, 100, MAX_RLE_BYTES + 1),
        (4_000, MAX_RLE_PIXELS // 4_000 + 1, 2),
        (MAX_RLE_WIDTH + 1, 1, 2),
    ):
        assert "run lengths; save it as PNG" in reason(hostile.bmp(width, height, bytes(size), depth=8, compression=1))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (hostile.bmp(3, 2, bytes(24), header=41), "a header of 41 bytes"),
        (hostile.bmp(0, 2, bytes(24)), "0 x 2 pixels"),
        (hostile.bmp(-3, 2, bytes(24)), "x 2 pixels"),
        (hostile.bmp(3, 2, bytes(24), depth=2), "2 bits a pixel"),
        (hostile.bmp(3, 2, bytes(24), compression=4), "compression 4; save it as PNG"),
        (
            hostile.bmp(3, 2, bytes(24), depth=8).replace(b"\x02\0\0\0\0\0\0\0", b"\0\0\0\x02\0\0\0\0", 1),
            "a palette of",
        ),
        (b"BM" + bytes(10), "it ends too early"),
    ],
)
def test_a_damaged_bmp_is_refused(content: bytes, words: str) -> None:
    assert words in reason(content)
