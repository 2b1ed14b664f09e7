"""HEIC and AVIF photographs, made on the spot: real encoders, as phones and browsers have them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()


def quarters(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Return a picture whose four quarters are red, green, blue and white, so that each way of turning it shows."""
    image = Image.new("RGB", size, "white")
    width, height = size[0] // 2, size[1] // 2
    for colour, place in (("red", (0, 0)), ("green", (width, 0)), ("blue", (0, height))):
        image.paste(colour, (*place, place[0] + width, place[1] + height))
    return image.convert(mode)


def still(image: Image.Image, format: str, **how: Any) -> bytes:
    """Return ``image`` as HEIF, which HEIC is, or AVIF."""
    file = io.BytesIO()
    image.save(file, format, **{"quality": 90} | ({"speed": 9} if format == "AVIF" else {}) | how)
    return file.getvalue()


def ten_bits(image: Image.Image) -> bytes:
    """Return ``image`` as a HEIC of ten bits a channel."""
    deep = np.asarray(image.convert("RGB")).astype(np.uint16) * 257
    file = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=image.size, data=deep.tobytes()).save(file, quality=90)
    return file.getvalue()
