from __future__ import annotations

import io
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidImage
from app.images.jpeg import MAX_SEGMENTS, Jpeg, read
from app.images.source import Source
from tests.support import jpegs


def structure(content: bytes, *, scans: bool = True) -> Jpeg:
    return read(Source(io.BytesIO(content)), scans=scans)


def reason(content: bytes) -> str:
    with pytest.raises(InvalidImage) as caught:
        structure(content)
    return str(caught.value)


def with_frame(
    marker: int = 0xC0, bits: int = 8, size: tuple[int, int] = (16, 16), channels: str = "11 11 11"
) -> bytes:
    """A JPEG of one scan without data; each channel is given by its factors."""
    factors = channels.split()
    layers = b"".join(bytes([name, int(factor, 16), 0]) for name, factor in enumerate(factors))
    frame = struct.pack(">HBHHB", 8 + 3 * len(factors), bits, size[1], size[0], len(factors)) + layers
    scan = struct.pack(">HB", 6 + 2 * len(factors), len(factors)) + b"".join(bytes([n, 0]) for n in range(len(factors)))
    return b"\xff\xd8\xff" + bytes([marker]) + frame + b"\xff\xda" + scan + b"\x00\x3f\x00" + bytes(40) + b"\xff\xd9"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_frame_and_the_scans_of_a_photograph_are_told(mode: str, progressive: bool) -> None:
    content = jpegs.photograph((333, 250), mode, progressive=progressive)
    found = structure(content)

    assert (found.width, found.height, found.pixels) == (333, 250, 83_250)
    assert (found.progressive, found.in_one_scan) == (progressive, not progressive)
    assert found.scans[-1].end == len(content) - 2
    assert [content[scan.end : scan.end + 1] for scan in found.scans] == [b"\xff"] * len(found.scans)


def test_a_photograph_in_one_scan_is_judged_by_its_header_alone() -> None:
    assert structure(jpegs.photograph()[:2000], scans=False).scans == ()


def test_the_end_of_a_picture_without_an_end_marker_is_that_of_the_file() -> None:
    content = jpegs.photograph()

    assert structure(content[:-2]).scans == structure(content).scans


def test_the_restart_markers_of_each_scan_are_counted_by_its_blocks() -> None:
    content = jpegs.photograph((100, 75), progressive=True, subsampling=2, restart_marker_blocks=3)

    for scan in structure(content).scans:
        data = content[scan.start : scan.end]
        assert sum(data.count(bytes([0xFF, marker])) for marker in range(0xD0, 0xD8)) == scan.restarts


def test_a_scan_for_each_channel_is_taken_and_none_may_be_missing() -> None:
    content = jpegs.in_scans_of_one_channel()
    third = content.rindex(b"\xff\xda")

    assert len(structure(content).scans) == 3
    assert "a part of its scans is missing" in reason(content[:third] + jpegs.EOI)


def test_a_progressive_photograph_cut_between_its_scans_is_refused_by_its_structure() -> None:
    content = jpegs.photograph(progressive=True)

    for scan in structure(content).scans[:-1]:
        for end in (b"", jpegs.EOI):
            assert "a part of its scans is missing" in reason(content[: scan.end] + end)


def test_a_jpeg_of_900_scans_is_refused_saying_what_a_photograph_has() -> None:
    assert "scans; a photograph has ten" in reason(jpegs.scans((2000, 2000), 900))


def test_the_most_scans_are_bounded_by_the_work_that_they_are() -> None:
    assert structure(jpegs.scans((100, 100), 90)).width == 100
    assert "scans; a photograph has ten" in reason(jpegs.scans((2000, 2000), 90))


@pytest.mark.parametrize("filler", [b"\xff\xe1\x00\x02", b"\xff\xfe\x00\x03a", b"\xff\x01", b"\xff\xd0"])
def test_a_flood_of_segments_is_left_after_a_bounded_number(filler: bytes) -> None:
    content = jpegs.photograph()

    assert structure(content[:2] + filler * 200 + content[2:]).width == 500
    assert f"more than {MAX_SEGMENTS} segments" in reason(content[:2] + filler * 2_000_000 + content[2:])


def test_bytes_between_segments_are_skipped_as_far_as_any_camera_leaves_some() -> None:
    content = jpegs.photograph()

    assert structure(content[:2] + b"\xff" * 60_000 + content[2:]).width == 500
    assert "too much stands between its segments" in reason(content[:2] + b"\xff" * 20_000_000 + content[2:])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (with_frame(marker=0xC3), "lossless or hierarchical"),
        (with_frame(marker=0xC7), "lossless or hierarchical"),
        (with_frame(bits=12), "12 bits a channel"),
        (with_frame(size=(0, 16)), "0 x 16 pixels"),
        (with_frame(size=(16, 0)), "16 x 0 pixels"),
        (with_frame(channels="11 11"), "a frame of 2 channels"),
        (with_frame(channels="51 11 11"), "its channels are not what they can be"),
        (with_frame(channels="10 11 11"), "its channels are not what they can be"),
        (b"\xff\xd8\xff\xd9", "it has no frame"),
        (b"\xff\xd8\xff\xda\x00\x02", "a scan comes before the frame"),
        (b"\xff\xd8\xff\xe0\xff\xff", "a segment ends beyond the file"),
        (b"\xff\xd8\xff\xe0\x00\x01", "a segment ends beyond the file"),
        (with_frame().replace(b"\xff\xda\x00\x0c\x03", b"\xff\xda\x00\x0c\x02"), "a scan of 2 channels"),
        (with_frame().replace(b"\xff\xda\x00\x0c\x03\x00", b"\xff\xda\x00\x0c\x03\x09"), "the frame does not have"),
        (with_frame()[:-42].replace(b"\xff\xda", b"\xff\xe0"), "a part of its scans is missing"),
        (with_frame(marker=0xC2).replace(b"\x00\x3f\x00", b"\x05\x03\x00"), "the frame does not have"),
    ],
)
def test_what_no_photograph_has_is_refused_by_the_structure(content: bytes, words: str) -> None:
    assert words in reason(content)


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC9, 0xCA])
def test_a_second_frame_is_refused(marker: int) -> None:
    content = jpegs.photograph(progressive=True)
    scan = content.index(b"\xff\xda")

    assert "a second frame" in reason(content[:scan] + b"\xff" + bytes([marker]) + content[scan + 2 :])


@given(
    progressive=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=8),
    end=st.integers(0, 4000),
)
def test_a_damaged_file_raises_nothing_but_invalid_image(
    progressive: bool, changes: list[tuple[int, int]], end: int
) -> None:
    content = bytearray(jpegs.photograph((40, 30), progressive=progressive))[:end]
    for place, value in changes:
        if place < len(content):
            content[place] = value
    with suppress(InvalidImage):
        found = structure(bytes(content))
        assert all(scan.start <= scan.end <= len(content) for scan in found.scans)
