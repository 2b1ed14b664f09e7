"""Small files that claim much, by the structure of each format: made to be refused, or to cost no more than others."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

from tests.support import jpegs

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = ("IEND", b"")


def gif(width: int, height: int, *, before: bytes = b"", data: bytes = b"\x02\x02\x4c\x01\x00") -> bytes:
    """Return a GIF of one frame, with a disposal that makes Pillow fill a canvas at once; 43 bytes as it is."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    control = b"\x21\xf9\x04\x08\0\0\0\0"
    return head + control + before + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + data + b"\x3b"


def comment(blocks: int, size: int = 1) -> bytes:
    """Return a GIF's comment in many blocks."""
    return b"\x21\xfe" + (bytes([size]) + b"x" * size) * blocks + b"\0"


def tiff(
    tags: Mapping[int, tuple[int, int, int | bytes]], *, order: str = "<", big: bool = False, tail: int = 0
) -> bytes:
    """Return a TIFF of these tags, by type, count and value, or the bytes that an offset stands for."""
    head, entry, size, inline = (16, "HHQ", 20, 8) if big else (8, "HHI", 12, 4)
    mark = b"II" if order == "<" else b"MM"
    start = mark + (struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8))
    place = head + (8 if big else 2) + size * len(tags) + inline
    entries, data = b"", b""
    for tag, (type, count, value) in sorted(tags.items()):
        if isinstance(value, bytes):
            entries += struct.pack(order + entry, tag, type, count) + struct.pack(
                order + "QI"[not big], place + len(data)
            )
            data += value
        else:
            kind = {3: "H", 4: "I"}.get(type) if count == 1 else None
            packed = struct.pack(order + (kind or "QI"[not big]), value)
            entries += struct.pack(order + entry, tag, type, count) + packed.ljust(inline, b"\0")
    return start + struct.pack(order + "QH"[not big], len(tags)) + entries + bytes(inline) + data + bytes(tail)


def grey_tiff(width: int, height: int, **more: tuple[int, int, int | bytes]) -> dict[int, tuple[int, int, int | bytes]]:
    """Return the tags of an uncompressed grey TIFF of one strip; ``more`` are others, as in ``t278``."""
    tags: dict[int, tuple[int, int, int | bytes]] = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 8),
        277: (3, 1, 1),
    }
    return tags | {int(name[1:]): value for name, value in more.items()}


def strips(count: int = 4_900_000) -> bytes:
    """Return a TIFF of 20 MB whose only content are the places of so many strips, as many as its rows."""
    offsets = struct.pack("<I", 8) * count
    return tiff(grey_tiff(20, count, t273=(4, count, offsets), t278=(3, 1, 1)))


def chunk(kind: str, data: bytes) -> bytes:
    """Return a PNG's chunk."""
    name = kind.encode()
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: tuple[str, bytes], depth: int = 8, colour: int = 2) -> bytes:
    """Return a PNG of a header and these chunks."""
    header = chunk("IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return SIGNATURE + header + b"".join(chunk(*each) for each in chunks)


def flat_png(width: int, height: int, *chunks: tuple[str, bytes]) -> bytes:
    """Return a whole PNG of black pixels, with these chunks before them."""
    deflate = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    data = b"".join([*(deflate.compress(row) for _ in range(height)), deflate.flush()])
    return png(width, height, *chunks, ("IDAT", data), END)


def bmp(width: int, height: int, data: bytes, *, depth: int = 24, compression: int = 0, header: int = 40) -> bytes:
    """Return a BMP with a palette of two colours where it needs one."""
    palette = b"\0\0\0\0\xff\xff\xff\0" if depth <= 8 else b""
    info = struct.pack("<IiiHHIIIIII", header, width, height, 1, depth, compression, 0, 0, 0, 2 if palette else 0, 0)
    offset = 14 + header + len(palette)
    info = info.ljust(header, b"\0")
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + palette + data


def webp(*chunks: tuple[str, bytes]) -> bytes:
    """Return a WebP of these chunks."""
    body = b"WEBP" + b"".join(
        name.encode() + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def canvas(width: int, height: int) -> tuple[str, bytes]:
    """Return the chunk of an extended WebP that tells its size."""
    return "VP8X", bytes([0x02, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def lossless(width: int, height: int) -> tuple[str, bytes]:
    """Return the beginning of a lossless frame."""
    return "VP8L", b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(20)


def box(kind: str, *content: bytes, full: int | None = None) -> bytes:
    """Return a box of an ISO file; ``full`` is the version of one that has one."""
    data = (b"" if full is None else bytes([full, 0, 0, 0])) + b"".join(content)
    return struct.pack(">I", 8 + len(data)) + kind.encode() + data


def heif(
    size: tuple[int, int],
    *,
    brand: str = "heic",
    kind: str = "hvc1",
    tile: tuple[int, int] = (512, 512),
    tiles: int = 0,
    same: bool = False,
    tile_kind: str = "hvc1",
    extents: Sequence[tuple[int, int]] = ((0, 8),),
    more: bytes = b"",
) -> bytes:
    """Return a HEIC without data: item 1, of ``size``, made of so many tiles, or of the ``same`` one so often."""
    numbers = [2] * tiles if same else list(range(2, 2 + tiles))
    items = {1: (kind, 1), **dict.fromkeys(numbers, (tile_kind, 2))}
    infos = [box("infe", struct.pack(">HH", n, 0) + name.encode() + b"\0", full=2) for n, (name, _) in items.items()]
    sizes = [box("ispe", struct.pack(">II", *each), full=0) for each in (size, tile)]
    ties = [struct.pack(">HBB", item, 1, 0x80 | which) for item, (_, which) in items.items()]
    refers = box("dimg", struct.pack(">HH", 1, tiles), *(struct.pack(">H", number) for number in numbers))
    places = struct.pack(">HHHHH", 0x4400, 1, 1, 0, len(extents)) + b"".join(struct.pack(">II", *at) for at in extents)
    meta = (
        box("pitm", struct.pack(">H", 1), full=0),
        box("iinf", struct.pack(">H", len(infos)), *infos, full=0),
        box("iref", refers, full=0),
        box("iprp", box("ipco", *sizes), box("ipma", struct.pack(">I", len(ties)), *ties, full=0)),
        box("iloc", places, full=0),
        more,
    )
    return box("ftyp", brand.encode() + bytes(4) + b"mif1") + box("meta", *meta, full=0)


# By name, each made when it is asked for: what takes the most of whoever believes it.
FILES: dict[str, Callable[[], bytes]] = {
    "gif of 65535 x 65535": lambda: gif(65_535, 65_535),
    "gif of 20000 x 20000": lambda: gif(20_000, 20_000),
    "gif of 2 million comment blocks": lambda: gif(10, 10, before=comment(2_000_000)),
    "tiff of 4.9 million strips": strips,
    "tiff of tags that share 10 MB": lambda: tiff(
        grey_tiff(1, 1, **{f"t{tag}": (7, 10_000_000, 8) for tag in range(40_000, 40_400)}), tail=10_000_000
    ),
    "tiff of one tile of 400 megapixels": lambda: tiff(
        grey_tiff(30, 20, t322=(4, 1, 20_000), t323=(4, 1, 20_000), t324=(4, 1, 8))
    ),
    "jpeg of 906 scans": lambda: jpegs.scans((5_000, 5_000), 896),
    "jpeg of 20 MB of scans": lambda: jpegs.scans((5_000, 5_000), length=20_000_000),
    "jpeg of 5 million segments": lambda: b"\xff\xd8" + b"\xff\xe1\0\x02" * 5_000_000 + jpegs.photograph()[2:],
    "jpeg of 20 MB between segments": lambda: b"\xff\xd8" + b"\xff" * 20_000_000 + jpegs.photograph()[2:],
    "png of 90 megapixels in a kilobyte": lambda: png(10_000, 9_000, ("IDAT", zlib.compress(bytes(1_000))), END),
    "png of 1.6 million chunks": lambda: _inserted(flat_png(10, 10), chunk("teSt", b"") * 1_600_000),
    "png of 400 inflated texts": lambda: flat_png(
        10, 10, *[("zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000)))] * 400
    ),
    "bmp of run lengths": lambda: bmp(10_000, 10_000, b"\x01\x00" * 10_000_000, depth=8, compression=1),
    "bmp that skips 255 rows": lambda: bmp(90_000_000, 1, b"\x00\x02\xff\xff" * 100, depth=8, compression=1),
    "bmp of 90 megapixels in no bytes": lambda: bmp(10_000, 9_000, b""),
    "webp of 268 megapixels": lambda: webp(canvas(16_384, 16_384), lossless(1, 1)),
    "heic of 400 megapixels": lambda: heif((20_000, 20_000)),
    "heic of one tile a thousand times": lambda: heif(
        (64, 64), kind="grid", tile=(8_000, 8_000), tiles=1_000, same=True
    ),
    "heic of grids of grids": lambda: heif((64, 64), kind="grid", tiles=100, tile_kind="grid"),
    "heic of a million boxes": lambda: heif((64, 64), more=box("free") * 1_000_000),
    "avif of 60,000 places": lambda: heif((64, 64), brand="avif", kind="av01", extents=[(0, 8)] * 60_000),
    "webp of a frame of 268 megapixels": lambda: webp(lossless(16_384, 16_384)),
}

# What is let through and takes the most all the same.
HEAVY: dict[str, Callable[[], bytes]] = {
    "jpeg of 20 scans and 90 megapixels": lambda: jpegs.scans((10_000, 9_000), 20),
    "jpeg of 2,000 tiny scans": lambda: jpegs.scans((64, 64), 1_900),
    "png of 90 megapixels of one colour": lambda: flat_png(10_000, 9_000),
    "png of 300 inflated texts": lambda: flat_png(9, 9, *[("zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000)))] * 300),
    "gif of 90 megapixels of one colour": lambda: jpegs.saved("GIF", (10_000, 9_000), "P"),
    "gif of 2,000 comment blocks": lambda: gif(10, 10, before=comment(2_000, 255)),
    "tiff of 100,000 strips": lambda: tiff(
        grey_tiff(20, 100_000, t273=(4, 100_000, struct.pack("<I", 8) * 100_000), t278=(3, 1, 1)), tail=2_000_000
    ),
    "tiff of 90 megapixels of one colour": lambda: jpegs.saved(
        "TIFF", (10_000, 9_000), compression="tiff_adobe_deflate"
    ),
    "bmp of 1.9 million runs": lambda: bmp(1_400, 1_400, b"\x01\x01" * 1_960_000, depth=8, compression=1),
    "bmp of 10 megapixels by ends of lines": lambda: bmp(10_000, 1_000, b"\0\0\x01\x01" * 999, depth=8, compression=1),
    "webp of 90 megapixels of one colour": lambda: jpegs.saved(
        "WEBP", (10_000, 9_000), lossless=True, method=0, quality=0
    ),
    "webp of an empty canvas of 90 megapixels": lambda: webp(
        canvas(10_000, 9_000),
        ("ANIM", bytes(6)),
        ("ANMF", bytes(16) + _bare(jpegs.saved("WEBP", (1, 1), lossless=True))),
    ),
}


def _inserted(png_: bytes, chunks: bytes) -> bytes:
    """Return a PNG with these chunks behind its header."""
    return png_[:33] + chunks + png_[33:]


def _bare(content: bytes) -> bytes:
    """Return the chunks of a WebP."""
    return content[12:]
