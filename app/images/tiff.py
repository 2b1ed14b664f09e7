"""A TIFF's structure: its first directory, and the strips or tiles that its pixels are in.

Nothing is read that only a count vouches for. Source: TIFF 6.0; the BigTIFF design; Adobe's DNG specification.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from app.errors import InvalidImage
from app.images.source import Source, damaged
from app.images.structure import Structure, lacking

MAX_TAGS = 500
# Strips or tiles; an image of 30,000 rows with a strip for each row and channel has 90,000.
MAX_PARTS = 100_000
# Values of any other tag that has no bytes, which become Python's numbers; a table of colours has 3 x 65,536.
MAX_VALUES = 200_000

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _MAKE, _STRIPS = 254, 256, 257, 258, 259, 262, 271, 273
_SAMPLES, _ROWS, _PLANES, _TILE_WIDTH, _TILE_HEIGHT, _TILES = 277, 278, 284, 322, 323, 324
_SUB_DIRECTORIES, _DNG = 330, 50706
_UNCOMPRESSED, _YCBCR = 1, 6
# By Pillow and libtiff; and those by which cameras keep what their sensor saw.
_DECODED = {1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34676, 34677, 34925, 50000, 50001}
_CAMERAS = {32767, 34713, 34892, 65000, 65535}
# The sizes of a value by its type, in bytes.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_BYTES = (1, 2, 6, 7)
_RAW = "this is a camera's RAW photograph{}; export it as JPEG"


@dataclass(frozen=True, slots=True)
class _Tag:
    type: int
    count: int
    at: int


def read(source: Source) -> Structure:
    """Return what a TIFF's first directory says.

    Raises:
        InvalidImage: it is damaged, cut short, a camera's RAW file, or speaks of more strips than its pixels take.
    """
    directory = _Directory(source)
    directory.refuse_raw()
    width, height = directory.number(_WIDTH, 0), directory.number(_HEIGHT, 0)
    if not width or not height:
        raise damaged(f"{width} x {height} pixels")
    across, down = directory.part(width, height)
    if not across or not down:
        raise damaged(f"tiles of {across} x {down} pixels")
    samples = directory.number(_SAMPLES, 1)
    planes = samples if directory.number(_PLANES, 1) == 2 else 1
    needed = -(-width // across) * -(-height // down) * planes
    if (parts := directory.parts()) > min(needed + 1_000, MAX_PARTS):
        raise damaged(f"{parts} strips or tiles for {width} x {height} pixels")
    row = (width * samples * directory.number(_BITS, 1) + 7) // 8
    short = directory.compression() == _UNCOMPRESSED and height * row > source.size
    lacks = lacking(source.size, width, height) if short else ""
    return Structure("TIFF", width, height, max(width * height, across * down), lacks)


class _Directory:
    """The tags of the first directory."""

    def __init__(self, source: Source) -> None:
        self._source = source
        start = source.read(0, 16) if source.size >= 16 else source.read(0, 8) + bytes(8)
        self._order: Literal["<", ">"] = "<" if start[:2] == b"II" else ">"
        big = self._unpack("H", start[2:4]) == 43
        at = self._unpack("Q", start[8:]) if big else self._unpack("I", start[4:8])
        self._tags = self._read(at, big)

    def _unpack(self, kind: str, data: bytes) -> int:
        return int(struct.unpack(self._order + kind, data)[0])

    def _read(self, at: int, big: bool) -> dict[int, _Tag]:
        head, entry, kind = (8, "HHQQ", "Q") if big else (2, "HHII", "H")
        size, inline = (20, 8) if big else (12, 4)
        count = self._unpack(kind, self._source.read(at, head))
        if not 0 < count <= MAX_TAGS:
            raise damaged(f"{count} tags")
        data = self._source.read(at + head, count * size)
        tags: dict[int, _Tag] = {}
        held = 0
        for number, (tag, type, values, value) in enumerate(struct.iter_unpack(self._order + entry, data)):
            length = values * _SIZES.get(type, 0)
            place = value if length > inline else at + head + (number + 1) * size - inline
            if place + length > self._source.size:  # Pillow leaves it out as well.
                continue
            held += length if length > inline else 0
            if held > self._source.size or (type not in _BYTES and values > MAX_VALUES):
                raise damaged(f"tag {tag} has {values} values")
            tags.setdefault(tag, _Tag(type, values, place))
        return tags

    def number(self, tag: int, default: int) -> int:
        """Return a tag's first value, where it is a whole number."""
        found = self._tags.get(tag)
        if found is None or not found.count or found.type not in _WHOLE_NUMBERS:
            return default
        return self._unpack(_WHOLE_NUMBERS[found.type], self._source.read(found.at, _SIZES[found.type]))

    def part(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of a tile, or of a strip, in pixels."""
        if _STRIPS in self._tags or _TILES not in self._tags:
            return width, min(height, self.number(_ROWS, height))
        return self.number(_TILE_WIDTH, 0), self.number(_TILE_HEIGHT, 0)

    def parts(self) -> int:
        """Return how many strips or tiles there are said to be."""
        found = self._tags.get(_STRIPS) or self._tags.get(_TILES)
        return found.count if found else 0

    def compression(self) -> int:
        """Return how the pixels are compressed; those of YCbCr count as such, since some of them are left out."""
        compression = self.number(_COMPRESSION, _UNCOMPRESSED)
        if compression not in _DECODED:
            raise InvalidImage(
                f"the TIFF is compressed in a way that nothing here undoes ({compression}); save it as PNG"
            )
        return 0 if self.number(_PHOTOMETRIC, 0) == _YCBCR else compression

    def refuse_raw(self) -> None:
        """Refuse what cameras write as TIFFs: a small picture first, and the photograph as nobody else reads it."""
        make = self._tags.get(_MAKE)
        if _DNG in self._tags:
            raise InvalidImage(_RAW.format(" (DNG)"))
        reduced = make and _SUB_DIRECTORIES in self._tags and self.number(_SUBFILE, 0) & 1
        if reduced or self._source.read(8, 2) == b"CR" or self.number(_COMPRESSION, 0) in _CAMERAS:
            name = self._source.read(make.at, min(make.count, 20)).split(b"\0")[0] if make else b""
            raise InvalidImage(_RAW.format(f" ({name.decode('ascii', 'replace').strip()})" if name else ""))
