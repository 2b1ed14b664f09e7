from __future__ import annotations

import struct

import pytest

from app.images.gif import MAX_BLOCKS, MAX_COMMENT_BLOCKS, read
from app.images.structure import Structure
from tests.support import hostile, jpegs
from tests.support.readers import asks

structure, reason = asks(read)


def test_an_animation_counts_by_its_canvas() -> None:
    assert structure(jpegs.saved("GIF", (30, 20), frames=3)) == Structure("GIF", 30, 20, 600, "")


def test_a_frame_beyond_the_canvas_makes_it_larger() -> None:
    content = bytearray(hostile.gif(40, 30))
    frame = content.index(b"\x2c")
    content[frame + 1 : frame + 5] = struct.pack("<HH", 7, 5)

    assert structure(bytes(content)) == Structure("GIF", 47, 35, 47 * 35, "")


def test_a_frame_of_4295_megapixels_in_43_bytes_is_known_as_such() -> None:
    content = hostile.gif(65_535, 65_535)

    assert len(content) == 43
    assert structure(content).pixels == 65_535**2
    assert structure(content).lacks == "6 bytes for 65535 x 65535 pixels"


def test_a_frame_of_one_colour_does_not_lack_data() -> None:
    assert structure(jpegs.saved("GIF", (4_000, 4_000))).lacks == ""


def test_comments_before_the_picture_are_bounded() -> None:
    assert structure(hostile.gif(10, 10, before=hostile.comment(MAX_COMMENT_BLOCKS, 255))).width == 10
    assert "more comments than picture" in reason(hostile.gif(10, 10, before=hostile.comment(MAX_COMMENT_BLOCKS + 1)))
    other = b"\x21\xff" + b"\x01x" * (MAX_BLOCKS + 1) + b"\0"
    assert "more comments than picture" in reason(hostile.gif(10, 10, before=other))
    assert "more comments than picture" in reason(hostile.gif(10, 10, before=bytes(MAX_BLOCKS + 1)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (hostile.gif(0, 10), "a frame of 0 x 10 pixels"),
        (hostile.gif(10, 10, before=b"\x3b"), "it has no frame"),
        (hostile.gif(10, 10)[:30], "it ends too early"),
    ],
)
def test_a_damaged_gif_is_refused(content: bytes, words: str) -> None:
    assert words in reason(content)
