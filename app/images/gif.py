"""A GIF's structure up to its first frame, which is the one that is shown.

Source: the GIF89a specification.
"""

from __future__ import annotations

import struct

from app.images.source import Source, damaged
from app.images.structure import Structure, lacking

# Blocks before the first frame: comments, and what programs say of themselves, XMP in the longest case.
MAX_BLOCKS = 50_000
# A comment's, which Pillow copies anew with each.
MAX_COMMENT_BLOCKS = 2_000

_EXTENSION, _FRAME, _END, _COMMENT = 0x21, 0x2C, 0x3B, 0xFE
# One code of at least three bits writes at most 4,096 pixels.
_MOST_PIXELS_A_BYTE = 4096 * 8 / 3


def read(source: Source) -> Structure:
    """Return what a GIF says of its canvas and first frame.

    Raises:
        InvalidImage: it is damaged, or too short for its first frame.
    """
    width, height, flags = struct.unpack("<HHB", source.read(6, 5))
    at = _first_frame(source, 13 + _table(flags))
    left, top, across, down, flags = struct.unpack("<HHHHB", source.read(at + 1, 9))
    data = at + 10 + _table(flags)
    if not across or not down:
        raise damaged(f"a frame of {across} x {down} pixels")
    short = across * down > (source.size - data) * _MOST_PIXELS_A_BYTE
    # Pillow makes the canvas as large as its first frame needs.
    width, height = max(width, left + across), max(height, top + down)
    return Structure("GIF", width, height, width * height, lacking(source.size - data, across, down) if short else "")


def _table(flags: int) -> int:
    """Return the size of the table of colours that ``flags`` tell of, in bytes."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _first_frame(source: Source, at: int) -> int:
    blocks = comments = 0
    while (kind := source.read(at, 1)[0]) != _FRAME:
        if kind == _END:
            raise damaged("it has no frame")
        if kind != _EXTENSION:
            # Pillow looks for the next block at the next byte.
            at, blocks = at + 1, blocks + 1
        else:
            comment = source.read(at + 1, 1)[0] == _COMMENT
            at += 2
            while size := source.read(at, 1)[0]:
                at, blocks, comments = at + 1 + size, blocks + 1, comments + comment
                _bound(blocks, comments)
            at, blocks = at + 1, blocks + 1
        _bound(blocks, comments)
    return at


def _bound(blocks: int, comments: int) -> None:
    if blocks > MAX_BLOCKS or comments > MAX_COMMENT_BLOCKS:
        raise damaged("more comments than picture")
