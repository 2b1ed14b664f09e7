"""Which way up a picture is: EXIF's orientation, read and applied, and where a part of it is stored."""

from __future__ import annotations

import struct

from PIL import ExifTags, Image

Size = tuple[int, int]
Box = tuple[float, float, float, float]

UPRIGHT = 1

# What turns the stored picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow raises on damaged EXIF.
_DAMAGE = (OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError, struct.error)


def orientation(source: Image.Image) -> int:
    """Return EXIF's orientation of a loaded image, 1 to 8: upright where there is none or it can't be read."""
    if source.format == "TIFF":  # Pillow has turned it already.
        return UPRIGHT
    try:
        value = source.getexif().get(ExifTags.Base.Orientation)
        return int(value) if not isinstance(value, (str, bytes, tuple)) and value in _TURNS else UPRIGHT
    except _DAMAGE:
        return UPRIGHT


def turned(size: Size, orientation: int) -> Size:
    """Return width and height after turning, or before it: the one follows from the other in the same way."""
    return (size[1], size[0]) if orientation >= 5 else size


def turn(stored: Image.Image, orientation: int) -> Image.Image:
    """Return the picture upright."""
    return stored.transpose(_TURNS[orientation]) if orientation in _TURNS else stored


def stored_box(box: Box, size: Size, orientation: int) -> Box:
    """Return the box of the stored picture which turning makes into ``box`` of the upright one.

    Args:
        box: left, upper, right, lower in the upright picture.
        size: width and height of the upright picture.
        orientation: EXIF's, 1 to 8.
    """
    left, top, right, bottom = box
    width, height = size
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if orientation >= 5 else (left, top, right, bottom)
