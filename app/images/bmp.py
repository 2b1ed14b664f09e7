"""A BMP's structure: its header, and whether the pixels that it speaks of are there.

Source: Microsoft's BITMAPINFOHEADER and its kin.
"""

from __future__ import annotations

import struct

from app.errors import InvalidImage
from app.images.source import Source, damaged
from app.images.structure import Structure, lacking

# Run lengths are undone in Python, at some microseconds a run and a tenth of one a pixel.
MAX_RLE_BYTES = 4_000_000
MAX_RLE_PIXELS = 10_000_000
# Two bytes skip up to 255 rows.
MAX_RLE_WIDTH = 30_000

_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_DEPTHS = {1, 4, 8, 16, 24, 32}
_RAW, _RLE8, _RLE4, _BITFIELDS = 0, 1, 2, 3


def read(source: Source) -> Structure:
    """Return what a BMP's header says.

    Raises:
        InvalidImage: it is damaged, cut short, of a kind that nothing here decodes, or run lengths that take too long.
    """
    offset, header = struct.unpack("<II", source.read(10, 8))
    if header not in _HEADERS:
        raise damaged(f"a header of {header} bytes")
    if header == 12:
        width, height, _, depth = struct.unpack("<HHHH", source.read(18, 8))
        compression, colours = _RAW, 0
    else:
        width, height, _, depth, compression, _, _, _, colours = struct.unpack("<IiHHIIIII", source.read(18, 32))
    height = abs(height)
    if not 0 < width < 1 << 31 or not height:
        raise damaged(f"{width} x {height} pixels")
    if depth not in _DEPTHS or compression not in (_RAW, _RLE8, _RLE4, _BITFIELDS):
        raise InvalidImage(f"the BMP has {depth} bits a pixel and compression {compression}; save it as PNG")
    if depth <= 8 and colours > 65_536:
        raise damaged(f"a palette of {colours} colours")
    lacks = _lacks(source.size - offset, width, height, depth, compression)
    return Structure("BMP", width, height, width * height, lacks)


def _lacks(size: int, width: int, height: int, depth: int, compression: int) -> str:
    """Return whether ``size`` bytes of data are too few, and refuse run lengths that are too many."""
    if compression in (_RLE8, _RLE4):
        if size > MAX_RLE_BYTES or width * height > MAX_RLE_PIXELS or width > MAX_RLE_WIDTH:
            raise InvalidImage("the BMP is a large one of run lengths; save it as PNG")
        return ""
    needed = (height - 1) * ((width * depth + 31) // 32 * 4) + (width * depth + 7) // 8
    return lacking(size, width, height) if needed > size else ""
