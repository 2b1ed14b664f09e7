"""What counts as an image, decided by content from the header alone: no name is believed and no pixel is decoded.

The web tier asks at the door; the engine asks again and decodes.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from typing import BinaryIO

# The last two are imported for Pillow to know them: at the first such image it would import all of its forty plugins.
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

from app.errors import InvalidImage
from app.images import jpeg, whole_jpeg
from app.images.kinds import CONTENT_TYPES, FORMATS, unknown
from app.images.source import Source

_TILE_WIDTH, _TILE_LENGTH = 322, 323

# `check` holds every image to a limit of the caller's, which may be above or below Pillow's own warning and error.
Image.MAX_IMAGE_PIXELS = None
# What Pillow says of a strange file is said by InvalidImage, or does not matter.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True, slots=True)
class ImageType:
    """What a header says: the MIME type, and the size in pixels as stored, before EXIF orientation."""

    content_type: str
    width: int
    height: int


def check(stream: BinaryIO, *, max_pixels: int) -> ImageType:
    """Return what kind of image ``stream`` holds, and leave the stream rewound.

    Args:
        stream: the whole file, seekable.
        max_pixels: the largest width times height taken.

    Raises:
        InvalidImage: empty, not an image that we take, a damaged header, or too many pixels.
    """
    try:
        if _is_jpeg(stream):
            structure = jpeg.read(Source(stream))
            _bound(structure.pixels, structure.width, structure.height, max_pixels)
            return ImageType("image/jpeg", structure.width, structure.height)
        with open_header(stream, max_pixels=max_pixels) as image:
            return ImageType(CONTENT_TYPES[str(image.format)], *image.size)
    finally:
        stream.seek(0)


def open_header(stream: BinaryIO, *, max_pixels: int) -> ImageFile.ImageFile:
    """Return the image with its header read and nothing decoded.

    Raises:
        InvalidImage: as `check` does.
    """
    stream.seek(0)
    if not (start := stream.read(512)):
        raise InvalidImage("the file is empty")
    if _is_jpeg(stream):
        structure = jpeg.read(Source(stream))
        _bound(structure.pixels, structure.width, structure.height, max_pixels)
    stream.seek(0)
    try:
        image = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        raise InvalidImage(_unknown(start)) from None
    except (OSError, SyntaxError, ValueError, OverflowError, EOFError, LookupError, struct.error, MemoryError) as err:
        raise InvalidImage(f"the image is damaged or cut short ({err})") from err
    _bound(_pixels(image), image.width, image.height, max_pixels)
    if image.format in {"JPEG", "MPO"}:
        whole_jpeg.guard(image)
    return image


def _is_jpeg(stream: BinaryIO) -> bool:
    stream.seek(0)
    return stream.read(3) == b"\xff\xd8\xff"


def _bound(pixels: int, width: int, height: int, max_pixels: int) -> None:
    if pixels > max_pixels:
        size = f"{_mega(pixels)} megapixels ({width} x {height})"
        raise InvalidImage(f"the image has {size}; at most {_mega(max_pixels)} are taken")


def _pixels(image: Image.Image) -> int:
    """Return the pixels that decoding would make: the canvas, or a TIFF's tile where it is larger."""
    tags = getattr(image, "tag_v2", {})
    tile = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)
    return max(image.width * image.height, tile[0] * tile[1] if all(isinstance(side, int) for side in tile) else 0)


def _unknown(start: bytes) -> str:
    if any(accept(start[:16]) is True for format in FORMATS if (accept := Image.OPEN[format][1])):
        return "the image is damaged or cut short"
    return unknown(start)


def _mega(pixels: int) -> str:
    return f"{pixels / 1e6:.4g}"
