"""A JPEG's structure: its frame, its scans, the work that they are, and where the data of each ends.

Nothing is decoded. Source: ITU-T T.81, annexes B and G.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from app.errors import InvalidImage
from app.images.source import Pair, Source, damaged
from app.images.structure import Structure

# Segments, and bytes between them: photographs have some dozens of the one, rarely any of the other.
MAX_SEGMENTS = 2_000
MAX_JUNK = 64 * 1024
# How often all scans together may go over the picture: those of a usual progressive photograph do so six times.
MAX_PASSES = 24
# Blocks that a picture's scans may visit however small it is; each takes some 40 ns.
FREE_VISITS = 5_000_000

_EOI, _SOS, _DRI = 0xD9, 0xDA, 0xDD
_ALONE = frozenset([0x01, *range(0xD0, 0xD8)])
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE, _ARITHMETIC = {0xC2, 0xCA}, {0xC9, 0xCA}
_DECODED = {0xC0, 0xC1} | _PROGRESSIVE | _ARITHMETIC
_MARKER = Pair(b"\x00\xff")
# What ends a scan's data: a marker that is neither a stuffed zero nor a restart.
_AFTER_SCAN = Pair(bytes([0x00, 0xFF, *range(0xD0, 0xD8)]))


@dataclass(frozen=True, slots=True)
class Scan:
    """The data of a scan: where it begins and ends, in bytes, and how many restart markers are in it at least."""

    start: int
    end: int
    restarts: int


@dataclass(frozen=True, slots=True)
class Jpeg(Structure):
    """A JPEG.

    Attributes:
        progressive: its coefficients come in several scans, and are all held until the last one.
        arithmetic: its data is coded arithmetically.
        in_one_scan: its first scan has it all; whatever is behind it does not matter.
        first: where the data of the first scan begins.
        scans: empty where they were not asked for.
    """

    progressive: bool
    arithmetic: bool
    in_one_scan: bool
    first: int
    scans: tuple[Scan, ...]


def read(source: Source, *, scans: bool = False) -> Jpeg:
    """Return what a JPEG's segments say.

    Args:
        source: the file.
        scans: find the end of a picture in one scan, too, which takes a look at all of it.

    Raises:
        InvalidImage: damaged, of a kind that nothing here decodes, without all scans, or with more than any photograph.
    """
    walk = _Walk(source)
    frame = _frame(source, walk)
    found: list[Scan] = []
    visits = first = 0
    while segment := walk.next():
        if segment.marker in _FRAMES:
            raise damaged("it has a second frame")
        if segment.marker != _SOS:
            continue
        names = _scan(source, segment, frame)
        visits += sum(frame.components[name].blocks for name in names)
        if visits > max(FREE_VISITS, MAX_PASSES * frame.blocks):
            raise InvalidImage(f"the JPEG has more than {len(found)} scans; a photograph has ten, save it anew")
        in_one_scan = len(names) == len(frame.components) and not frame.progressive and not found
        first = first or walk.at
        if in_one_scan and not scans:
            return frame.jpeg(in_one_scan, first, ())
        start, end = walk.skip_scan()
        found.append(Scan(start, end, frame.restarts(names, walk.interval)))
        if in_one_scan:
            return frame.jpeg(in_one_scan, first, tuple(found))
    if any(any(component.missing) for component in frame.components.values()):
        raise damaged("a part of its scans is missing")
    return frame.jpeg(False, first, tuple(found))


@dataclass(frozen=True, slots=True)
class _Segment:
    """A marker and where the data behind its length is."""

    marker: int
    at: int
    size: int


class _Walk:
    """Goes from marker to marker, a bounded number of them."""

    def __init__(self, source: Source) -> None:
        self._source, self.at = source, 2
        self._segments = self._junk = 0
        # MCUs between two restart markers, as the last segment that said so had it; 0 for none.
        self.interval = 0

    def next(self) -> _Segment | None:
        """Return the next segment, or None at the end of the picture, or where the file just ends."""
        while (marker := self._marker()) not in (None, _EOI):
            self._segments += 1
            if self._segments > MAX_SEGMENTS:
                raise damaged(f"it has more than {MAX_SEGMENTS} segments")
            if marker not in _ALONE:
                return self._segment(marker)
        return None

    def _marker(self) -> int | None:
        """Go behind the next marker, and return it; None where no other comes."""
        at: int | None = self.at
        if self.at + 2 > self._source.size or _MARKER.search(self._source.read(self.at, 2)) != 0:
            at = self._source.find(_MARKER, self.at, MAX_JUNK - self._junk)
        if at is None:
            if self._source.size - self.at > MAX_JUNK - self._junk:
                raise damaged("too much stands between its segments")
            return None
        self._junk += at - self.at
        self.at = at + 2
        return self._source.read(at, 2)[1]

    def _segment(self, marker: int) -> _Segment:
        size = int.from_bytes(self._source.read(self.at, 2)) - 2
        segment = _Segment(marker, self.at + 2, size)
        self.at += 2 + size
        if size < 0 or self.at > self._source.size:
            raise damaged("a segment ends beyond the file")
        if marker == _DRI and size == 2:
            self.interval = int.from_bytes(self._source.read(segment.at, 2))
        return segment

    def skip_scan(self) -> tuple[int, int]:
        """Go to the end of a scan's data, and return where it begins and ends."""
        start, end = self.at, self._source.find(_AFTER_SCAN, self.at)
        self.at = self._source.size if end is None else end
        return start, self.at


@dataclass(slots=True)
class _Component:
    """A component of the frame.

    Attributes:
        blocks: of 8 x 8 samples, those included that fill up the last MCUs.
        alone: blocks in a scan of nothing else.
        missing: of each coefficient, how many of its bits are still to come; 16 where none came.
    """

    blocks: int
    alone: int
    missing: list[int] = field(default_factory=lambda: [16] * 64)


@dataclass(frozen=True, slots=True)
class _Frame:
    marker: int
    width: int
    height: int
    mcus: int
    components: dict[int, _Component]

    @property
    def progressive(self) -> bool:
        return self.marker in _PROGRESSIVE

    @property
    def blocks(self) -> int:
        return sum(component.blocks for component in self.components.values())

    def restarts(self, names: set[int], interval: int) -> int:
        """Return how many restart markers are in a scan of these components."""
        mcus = self.mcus if len(names) > 1 else self.components[min(names)].alone
        return (mcus - 1) // interval if interval else 0

    def jpeg(self, in_one_scan: bool, first: int, scans: tuple[Scan, ...]) -> Jpeg:
        size = self.width, self.height, self.width * self.height
        arithmetic = self.marker in _ARITHMETIC
        return Jpeg("JPEG", *size, "", self.progressive, arithmetic, in_one_scan, first, scans)


def _frame(source: Source, walk: _Walk) -> _Frame:
    """Return the frame, going to its segment."""
    while (segment := walk.next()) and segment.marker not in _FRAMES:
        if segment.marker == _SOS:
            raise damaged("a scan comes before the frame")
    if segment is None:
        raise damaged("it has no frame")
    if segment.marker not in _DECODED:
        raise InvalidImage("the JPEG is lossless or hierarchical, which few programs read; save it as a usual one")
    bits, height, width, count = struct.unpack(">BHHB", source.read(segment.at, 6))
    if bits != 8:
        raise InvalidImage(f"the JPEG has {bits} bits a channel; save it with 8")
    if count not in (1, 3, 4) or segment.size != 6 + 3 * count:
        raise damaged(f"a frame of {count} channels in {segment.size} bytes")
    if not width or not height:
        raise damaged(f"{width} x {height} pixels")
    layers = list(struct.iter_unpack("BBB", source.read(segment.at + 6, 3 * count)))
    factors = {name: (both >> 4, both & 15) for name, both, _ in layers}
    if len(factors) < count or not all(1 <= side <= 4 for pair in factors.values() for side in pair):
        raise damaged("its channels are not what they can be")
    return _framed(segment.marker, width, height, factors)


def _framed(marker: int, width: int, height: int, factors: dict[int, tuple[int, int]]) -> _Frame:
    most = max(h for h, _ in factors.values()), max(v for _, v in factors.values())
    mcus = _blocks(width, most[0]) * _blocks(height, most[1])
    components = {
        name: _Component(mcus * h * v, _blocks(width * h, most[0]) * _blocks(height * v, most[1]))
        for name, (h, v) in factors.items()
    }
    return _Frame(marker, width, height, mcus, components)


def _blocks(samples: int, factor: int) -> int:
    """Return how many blocks a side of ``samples`` / ``factor`` samples takes."""
    return -(-samples // (8 * factor))


def _scan(source: Source, segment: _Segment, frame: _Frame) -> set[int]:
    """Note what a scan brings, and return the names of its components."""
    count = source.read(segment.at, 1)[0] if segment.size else 0
    if not 1 <= count <= 4 or segment.size != 4 + 2 * count:
        raise damaged(f"a scan of {count} channels in {segment.size} bytes")
    data = source.read(segment.at + 1, 2 * count + 3)
    names = set(data[: 2 * count : 2])
    first, last, bits = data[-3:] if frame.progressive else (0, 63, 0)
    if not names <= frame.components.keys() or not first <= last <= 63:
        raise damaged("a scan of what the frame does not have")
    for name in names:
        frame.components[name].missing[first : last + 1] = [bits & 15] * (last + 1 - first)
    return names
