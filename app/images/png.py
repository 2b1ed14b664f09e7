"""A PNG's structure: its header, and chunk after chunk to the end.

Source: the PNG specification, third edition.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from app.images.source import Source, damaged
from app.images.structure import Structure, lacking

# Of a file of 20 MB, in chunks of a kilobyte.
MAX_CHUNKS = 20_000
# All but the pixels and later frames: profiles, texts, times. Pillow inflates each to a megabyte at most.
MAX_OTHERS = 300

_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# No deflated data becomes more than this many times as large.
_MOST_INFLATED = 1032


def read(source: Source) -> Structure:
    """Return what a PNG's chunks say.

    Raises:
        InvalidImage: it is damaged, or cut short, or has less data than its pixels take, or far too many chunks.
    """
    size, kind, width, height, depth, colour, _, _, _ = struct.unpack(">I4sIIBBBBB", source.read(8, 21))
    if kind != b"IHDR" or size != 13:
        raise damaged("it does not begin with its header")
    if not width or not height or depth not in _DEPTHS.get(colour, set()):
        raise damaged(f"{width} x {height} pixels of kind {colour} with {depth} bits")
    data = sum(size for kind, size in _chunks(source) if kind == b"IDAT")
    row = (width * depth * _CHANNELS[colour] + 7) // 8
    lacks = lacking(data, width, height) if data * _MOST_INFLATED < height * row else ""
    return Structure("PNG", width, height, width * height, lacks)


def _chunks(source: Source) -> Iterator[tuple[bytes, int]]:
    """Yield each chunk's kind and size, up to the end of the picture or of the file."""
    at, others = 33, 0
    for _ in range(MAX_CHUNKS):
        if at + 8 > source.size:
            return
        size, kind = struct.unpack(">I4s", source.read(at, 8))
        if kind == b"IEND":
            return
        at += 12 + size
        # What is cut behind the pixels does not matter, nor a checksum.
        if at > source.size + 4:
            if kind == b"IDAT":
                raise damaged("its data ends beyond the file")
            return
        others += kind not in (b"IDAT", b"fdAT", b"fcTL")
        if others > MAX_OTHERS:
            raise damaged("more texts than picture")
        yield kind, size
    raise damaged(f"it has more than {MAX_CHUNKS} chunks")
