"""An image drawn anew as a small JPEG: nothing of the file but what is seen in it."""

from __future__ import annotations

import io

from PIL import Image

from app.images import decoding
from app.images.turning import Box, Size


def small(data: bytes, *, side: int, max_pixels: int) -> bytes:
    """Return ``data`` as a JPEG of at most ``side`` by ``side`` pixels.

    Raises:
        InvalidImage: it cannot be decoded, or has more than ``max_pixels``.
    """

    def plan(size: Size) -> tuple[Size, Box]:
        scale = min(1.0, side / max(size))
        return (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))), (0, 0, *size)

    target = io.BytesIO()
    # Of the image nothing but its pixels is kept: comments and the like would be written again.
    picture = decoding.decode(data, plan, _resized, max_pixels=max_pixels)
    picture.info = {}
    picture.save(target, "JPEG", quality=82)
    return target.getvalue()


def _resized(image: Image.Image, size: Size, box: Box) -> Image.Image:
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=decoding.REDUCING_GAP)
