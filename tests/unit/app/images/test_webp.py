from __future__ import annotations

import pytest

from app.images.structure import Structure
from app.images.webp import MAX_CHUNKS, read
from tests.support import hostile, jpegs
from tests.support.readers import asks

structure, reason = asks(read)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("frames", [1, 3])
def test_the_size_is_told_in_each_form(mode: str, lossless: bool, frames: int) -> None:
    content = jpegs.saved("WEBP", (33, 20), mode, frames=frames, lossless=lossless, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")

    assert structure(content) == Structure("WEBP", 33, 20, 660, "")
    assert structure(content[:-1]).width == 33
    assert "it" not in structure(content).lacks
    assert "bytes" in reason(content[:-4])


def test_a_canvas_counts_and_not_its_first_frame() -> None:
    assert structure(hostile.webp(hostile.canvas(16_384, 16_384), hostile.lossless(1, 1))).pixels == 16_384**2
    assert structure(hostile.webp(hostile.lossless(16_384, 16_384))).pixels == 16_384**2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (hostile.webp(hostile.canvas(9, 9), *[("abcd", b"")] * MAX_CHUNKS, hostile.lossless(9, 9)), "it has no frame"),
        (hostile.webp(("VP8X", b"\0\0")), "its canvas has no size"),
        (hostile.webp(("VP8L", bytes(20))), "does not begin as one"),
        (hostile.webp(("VP8 ", bytes(20))), "does not begin as one"),
        (hostile.webp(("VP8 ", b"\0\0\0\x9d\x01\x2a" + bytes(20))), "does not begin as one"),
        (hostile.webp(), "it ends too early"),
    ],
)
def test_a_damaged_webp_is_refused(content: bytes, words: str) -> None:
    assert words in reason(content)
