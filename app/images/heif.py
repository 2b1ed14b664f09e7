"""The structure of HEIC, HEIF and AVIF: of all their boxes, which item is the picture, of what size, made of what.

Source: ISO/IEC 14496-12 for boxes and places, 23008-12 for items, their sizes and grids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from app.errors import InvalidImage
from app.images.source import Source, damaged
from app.images.structure import Structure

# Of one file; a telephone's photograph of 48 megapixels has 200 items and 20 boxes besides.
MAX_BOXES = 5_000
MAX_ITEMS = 1_000
MAX_PLACES = 4_000

_AVIF = {b"avif"}
_HEIC = {b"heic", b"heix", b"heim", b"heis"}
_HEIF = {b"mif1", b"mif2", b"miaf"}
# Made of other items: a grid, several on each other, or one turned.
_DERIVED = {b"grid", b"iovl", b"iden"}


@dataclass(slots=True)
class _Meta:
    """What the boxes say, by the items' numbers."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    # Sizes in pixels by a property's number, from 1, and the properties of each item.
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    properties: dict[int, list[int]] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)


def brand(start: bytes) -> str | None:
    """Return what a file that begins with ``start`` says that it is, HEIC, HEIF or AVIF; None if none of these."""
    if start[4:8] != b"ftyp":
        return None
    end = min(len(start), int.from_bytes(start[:4]))
    brands = {start[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    known = (("AVIF", _AVIF), ("HEIC", _HEIC), ("HEIF", _HEIF))
    return next((name for name, its in known if brands & its), None)


def read(source: Source) -> Structure:
    """Return what the boxes say of the picture that is shown.

    Raises:
        InvalidImage: damaged, cut short, without a picture that stands still, or with more parts than any photograph.
    """
    format = brand(source.read(0, min(source.size, 1024))) or "HEIF"
    boxes = _Boxes(source)
    meta = next((_meta(boxes, at + 4, end) for kind, at, end in boxes.of(0, source.size) if kind == b"meta"), None)
    if meta is None:
        raise InvalidImage(f"this {format} is a sequence without a picture that stands still; save one as JPEG")
    width, height = _size(meta, meta.primary)
    made_of = [_size(meta, part) for part in meta.parts.get(meta.primary, [])]
    if any(meta.kinds.get(part) in _DERIVED for part in meta.parts.get(meta.primary, [])):
        raise damaged("its picture is made of what is itself made of others")
    pixels = max([width * height, sum(w * h for w, h in made_of), *(w * h for w, h in meta.sizes.values())])
    return Structure(format, width, height, pixels, "")


def _size(meta: _Meta, item: int) -> tuple[int, int]:
    for number in meta.properties.get(item, []):
        if number in meta.sizes:
            return meta.sizes[number]
    raise damaged("its picture has no size")


class _Boxes:
    """Reads boxes and numbers, a bounded number of them."""

    def __init__(self, source: Source) -> None:
        self._source, self._left, self._places = source, MAX_BOXES, MAX_PLACES

    def of(self, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        """Yield each box in a part of the file: its kind, and where its content begins and ends."""
        while at + 8 <= end:
            self._left -= 1
            if self._left < 0:
                raise damaged(f"it has more than {MAX_BOXES} boxes")
            head = self._source.read(at, 8)
            size, start = int.from_bytes(head[:4]), at + 8
            if size == 1:
                size, start = self.number(start, 8), start + 8
            after = end if size == 0 else at + size
            if not start <= after <= end:
                raise damaged("a box ends beyond what it is in")
            yield head[4:], start, after
            at = after

    def number(self, at: int, size: int) -> int:
        """Return the number in ``size`` bytes, 0 to 8."""
        return int.from_bytes(self._source.read(at, size))

    def holds(self, at: int, size: int) -> None:
        """Note a place of an item's data, and see that the file has it."""
        self._places -= 1
        if self._places < 0:
            raise damaged(f"its items are in more than {MAX_PLACES} places")
        if at + size > self._source.size:
            raise damaged("an item's data ends beyond the file")


def _meta(boxes: _Boxes, start: int, stop: int) -> _Meta:
    meta = _Meta()
    for kind, at, end in boxes.of(start, stop):
        if kind == b"pitm":
            meta.primary = boxes.number(at + 4, 4 if boxes.number(at, 1) else 2)
        elif kind == b"iinf":
            _items(boxes, meta, at, end)
        elif kind == b"iref":
            _references(boxes, meta, at, end)
        elif kind == b"iprp":
            for inner, place, after in boxes.of(at, end):
                (_sizes if inner == b"ipco" else _associations)(boxes, meta, place, after)
        elif kind == b"iloc":
            _places(boxes, at)
    return meta


def _count(number: int) -> range:
    """Return the range of so many items, which no photograph has too many of."""
    if number > MAX_ITEMS:
        raise damaged(f"it has {number} items")
    return range(number)


def _items(boxes: _Boxes, meta: _Meta, at: int, end: int) -> None:
    wide = 4 if boxes.number(at, 1) else 2
    _count(boxes.number(at + 4, wide))
    for kind, place, _ in boxes.of(at + 4 + wide, end):
        if kind == b"infe" and (version := boxes.number(place, 1)) >= 2:
            size = 2 if version == 2 else 4
            item = boxes.number(place + 4, size)
            meta.kinds[item] = boxes.number(place + 6 + size, 4).to_bytes(4)


def _references(boxes: _Boxes, meta: _Meta, at: int, end: int) -> None:
    wide = 4 if boxes.number(at, 1) else 2
    for kind, place, _ in boxes.of(at + 4, end):
        if kind == b"dimg":
            parts = _count(boxes.number(place + wide, 2))
            first = place + wide + 2
            meta.parts[boxes.number(place, wide)] = [boxes.number(first + wide * part, wide) for part in parts]


def _sizes(boxes: _Boxes, meta: _Meta, at: int, end: int) -> None:
    for number, (kind, place, _) in enumerate(boxes.of(at, end), 1):
        if kind == b"ispe":
            meta.sizes[number] = boxes.number(place + 4, 4), boxes.number(place + 8, 4)


def _associations(boxes: _Boxes, meta: _Meta, at: int, end: int) -> None:
    wide = 2 if boxes.number(at, 1) < 1 else 4
    each = 2 if boxes.number(at + 3, 1) & 1 else 1
    at += 8
    for _ in _count(boxes.number(at - 4, 4)):
        item, count = boxes.number(at, wide), boxes.number(at + wide, 1)
        first = at + wide + 1
        at = first + each * count
        if at > end:
            raise damaged("a box ends beyond what it is in")
        # The first bit says whether a property must be heeded.
        numbers = (boxes.number(first + each * one, each) & ((1 << (8 * each - 1)) - 1) for one in range(count))
        meta.properties.setdefault(item, []).extend(numbers)


def _places(boxes: _Boxes, at: int) -> None:
    version = boxes.number(at, 1)
    sizes = boxes.number(at + 4, 2)
    offset, length, base, index = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15 if version else 0
    if max(offset, length, base, index) > 8 or version > 2:
        raise damaged("the places of its items can't be read")
    wide = 4 if version == 2 else 2
    number = boxes.number(at + 6, wide)
    at += 6 + wide
    for _ in _count(number):
        method = boxes.number(at + wide, 2) & 15 if version else 0
        at += wide + (4 if version else 2)
        start, extents = boxes.number(at, base), boxes.number(at + base, 2)
        at += base + 2
        for _ in range(extents):
            place = start + boxes.number(at + index, offset)
            boxes.holds(place if method == 0 else 0, boxes.number(at + index + offset, length))
            at += index + offset + length
