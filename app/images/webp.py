"""A WebP's structure: the canvas, and the first frame that is on it.

Source: the WebP container specification; RFC 6386, section 9.1, for VP8; the lossless bitstream specification for VP8L.
"""

from __future__ import annotations

import struct

from app.images.source import Source, damaged
from app.images.structure import Structure

# Before the first frame: a profile, colours of an animation, what nobody knows.
MAX_CHUNKS = 100

_FRAMES = {b"VP8 ", b"VP8L", b"ANMF"}


def read(source: Source) -> Structure:
    """Return what a WebP's first chunks say.

    Raises:
        InvalidImage: it is damaged, or cut short.
    """
    size = int.from_bytes(source.read(4, 4), "little") + 8
    # Some writers leave the last padding byte away.
    if size > source.size + 1:
        raise damaged(f"{source.size} of {size} bytes")
    canvas = _extended(source)
    at = 12 if canvas is None else 30
    for _ in range(MAX_CHUNKS):
        kind, size = struct.unpack("<4sI", source.read(at, 8))
        if kind in _FRAMES:
            width, height = _frame(source, kind, at + 8)
            width, height = canvas or (width, height)
            return Structure("WEBP", width, height, width * height, "")
        at += 8 + size + (size & 1)
    raise damaged("it has no frame")


def _extended(source: Source) -> tuple[int, int] | None:
    """Return the canvas of the extended format, or None in the simple ones."""
    if source.read(12, 4) != b"VP8X":
        return None
    if int.from_bytes(source.read(16, 4), "little") != 10:
        raise damaged("its canvas has no size")
    return _size(source, 24)


def _size(source: Source, at: int) -> tuple[int, int]:
    sides = source.read(at, 6)
    return 1 + int.from_bytes(sides[:3], "little"), 1 + int.from_bytes(sides[3:], "little")


def _frame(source: Source, kind: bytes, at: int) -> tuple[int, int]:
    if kind == b"ANMF":
        return _size(source, at + 6)
    start = source.read(at, 10 if kind == b"VP8 " else 5)
    if kind == b"VP8L":
        bits = int.from_bytes(start[1:], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", start[6:]))
    if (start[0] != 0x2F if kind == b"VP8L" else start[3:6] != b"\x9d\x01\x2a") or not width or not height:
        raise damaged("its first frame does not begin as one")
    return width, height
