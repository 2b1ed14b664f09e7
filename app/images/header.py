"""What a file begins as, judged by the reader of that format's structure: nothing is decoded, Pillow is not asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from app.errors import InvalidImage
from app.images import bmp, gif, heif, jpeg, png, tiff, webp
from app.images.heif import brand
from app.images.kinds import unknown
from app.images.source import Source, damaged
from app.images.structure import Structure

# What `unknown` looks at: drawings have comments before they begin.
_START = 4096

_READERS: tuple[tuple[bytes, Callable[[Source], Structure]], ...] = (
    (b"\xff\xd8\xff", jpeg.read),
    (b"\x89PNG\r\n\x1a\n", png.read),
    (b"RIFF....WEBP", webp.read),
    (b"GIF87a", gif.read),
    (b"GIF89a", gif.read),
    (b"BM", bmp.read),
    (b"II\x2a\x00", tiff.read),
    (b"MM\x00\x2a", tiff.read),
    (b"II\x2b\x00", tiff.read),
    (b"MM\x00\x2b", tiff.read),
)


def judge(stream: BinaryIO, *, max_pixels: int) -> Structure:
    """Return what ``stream`` holds, and leave it rewound.

    Args:
        stream: the whole file, seekable.
        max_pixels: the largest width times height taken.

    Raises:
        InvalidImage: empty, not an image that we take, a damaged structure, or too many pixels.
    """
    stream.seek(0)
    start = stream.read(_START)
    try:
        if not start:
            raise InvalidImage("the file is empty")
        found = _reader(start)(Source(stream))
    finally:
        stream.seek(0)
    if found.pixels > max_pixels:
        size = f"{found.pixels / 1e6:.4g} megapixels ({found.width} x {found.height})"
        raise InvalidImage(f"the image has {size}; at most {max_pixels / 1e6:.4g} are taken")
    if found.lacks:
        raise damaged(found.lacks)
    return found


def _reader(start: bytes) -> Callable[[Source], Structure]:
    # A RIFF's length is between its name and its kind.
    if brand(start):
        return heif.read
    mark = start[:4] + b"...." + start[8:12] if start[:4] == b"RIFF" else start
    for prefix, read in _READERS:
        if mark.startswith(prefix):
            return read
    raise InvalidImage(unknown(start))
