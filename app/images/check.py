"""What counts as an image, decided by content: no name is believed, and nothing is made by what a file claims.

The web tier asks at the door; the engine asks again and decodes.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from typing import BinaryIO

# The last two are imported for Pillow to know them: at the first such image it would import all of its forty plugins.
from PIL import Image, ImageFile, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from app.errors import InvalidImage
from app.images import whole_jpeg
from app.images.header import judge
from app.images.jpeg import Jpeg
from app.images.kinds import CONTENT_TYPES
from app.images.source import damaged

# Pillow's guard is one for the whole process and allocates first in places; `judge` has been before it at every file.
Image.MAX_IMAGE_PIXELS = None
# What Pillow says of a strange file is said by InvalidImage, or does not matter.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True, slots=True)
class ImageType:
    """What a file's structure says: the MIME type, and the size in pixels as stored, before EXIF orientation."""

    content_type: str
    width: int
    height: int


def check(stream: BinaryIO, *, max_pixels: int) -> ImageType:
    """Return what kind of image ``stream`` holds, and leave the stream rewound.

    Args:
        stream: the whole file, seekable.
        max_pixels: the largest width times height taken.

    Raises:
        InvalidImage: empty, not an image that we take, a damaged structure, or too many pixels.
    """
    found = judge(stream, max_pixels=max_pixels)
    return ImageType(CONTENT_TYPES[found.format], found.width, found.height)


def open_header(stream: BinaryIO, *, max_pixels: int) -> ImageFile.ImageFile:
    """Return the image with its header read and nothing decoded; its ``load()`` takes no half JPEG for a whole one.

    Raises:
        InvalidImage: as `check` does, or Pillow can't read the header.
    """
    found = judge(stream, max_pixels=max_pixels)
    try:
        image = Image.open(stream, formats=(found.format,))
    except (OSError, SyntaxError, ValueError, OverflowError, EOFError, LookupError, TypeError, struct.error) as err:
        raise damaged(str(err)) from err
    if image.width * image.height > found.pixels:
        raise InvalidImage(f"the image has two sizes: {image.width} x {image.height}, {found.width} x {found.height}")
    if isinstance(found, Jpeg):
        whole_jpeg.guard(image, found)
    return image
