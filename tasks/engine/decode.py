"""From an image file's bytes to the pixels that a model takes, decoding and resizing only what the model will see.

    ==================== ==================================================================================
    What comes           What is made of it
    ==================== ==================================================================================
    JPEG                 RGB. Large ones are decoded at 1/2, 1/4 or 1/8 by the decoder itself. A JPEG with
                         more pictures behind the first (MPO): the first.
    JPEG, CMYK or YCCK   RGB by subtraction, Adobe's inverted values too; colour profiles are not applied.
    PNG, WebP, BMP, TIFF RGB. Of an animated PNG its default image, of others with more pages the first.
    GIF                  The first frame, as large as the canvas.
    Palette, 1 bit       By their colours, before they are averaged.
    Grey                 The same value in all three channels.
    16 bits a channel    The upper eight.
    32 bits, float       Least to greatest value stretched to 0 to 255.
    Alpha, colour key    On white, as pages show it.
    EXIF orientation     Turned upright; as stored where EXIF can't be read.
    CIE L*a*b*           Refused: it says so.
    Cut short, damaged   Refused: a label of half a picture would be a wrong answer that looks like one.
    More than max_pixels Refused by its header, before anything is decoded.
    ==================== ==================================================================================

Memory, besides the file: at most `BYTES_PER_PIXEL` a pixel while an image is decoded (WebP; others take 9 at most).
"""

from __future__ import annotations

import io
import struct
import threading
import zlib
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from app.errors import InvalidImage
from app.images.check import open_header
from tasks.engine.artifact import Preprocessing
from tasks.engine.resize import REDUCING_GAP, Box, resize

Pixels = NDArray[np.uint8]

# An image that decodes to more pixels waits for its turn, so that a worker's threads never hold two such.
LARGE_PIXELS = 8_000_000
# What decoding holds at once at most, per pixel.
BYTES_PER_PIXEL = 18

_large = threading.Lock()
# What Pillow raises on a damaged file, as fuzzing found.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError, struct.error, zlib.error)
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(image: bytes, how: Preprocessing, *, max_pixels: int) -> Pixels:
    """Return what the model takes of an image.

    Args:
        image: a whole file, JPEG, PNG, WebP, GIF, BMP or TIFF.
        how: the size that the model takes; its mean and deviation are applied by the model itself.
        max_pixels: the largest image decoded, in pixels by its header.

    Returns:
        pixels: uint8 (H, W, 3), RGB.

    Raises:
        InvalidImage: the bytes are not an image that can be decoded whole; the message tells its owner why.
    """
    with open_header(io.BytesIO(image), max_pixels=max_pixels) as source:
        whole = source.width * source.height
        _shrink_jpeg(source, how)
        # A progressive JPEG is held whole, as coefficients, whatever size is made of it.
        held = whole if source.info.get("progressive") else source.width * source.height
        with _large if held > LARGE_PIXELS else nullcontext():
            return np.asarray(_see(source, how))


def _see(source: Image.Image, how: Preprocessing) -> Image.Image:
    """Return the part that the model sees, upright, in its size, in RGB."""
    try:
        source.load()
    except _DAMAGE as err:
        raise InvalidImage(f"the image is damaged or cut short ({err})") from err
    orientation = _orientation(source)
    turned = orientation >= 5
    size = (source.height, source.width) if turned else source.size
    target, box = region(size, how)
    box = _unturned(box, size, orientation)
    stored = _averageable(source)
    if target != size or box != (0, 0, *stored.size):
        target = (target[1], target[0]) if turned else target
        stored = resize(stored, target, box, how.interpolation)
    rgb = _rgb(stored)
    return rgb.transpose(_TRANSPOSE[orientation]) if orientation in _TRANSPOSE else rgb


def region(size: tuple[int, int], how: Preprocessing) -> tuple[tuple[int, int], Box]:
    """Return what size to make of which box of an upright image.

    The numbers, and so the pixels, are those of the usual two steps: resize the shorter side, then crop the middle.

    Args:
        size: width and height in pixels.
        how: the sides wanted.

    Returns:
        target: width and height in pixels.
        box: left, upper, right, lower in pixels of the image.
    """
    width, height = size
    if how.resize is None:
        scale = min(1.0, how.longest / max(size))
        resized = max(1, round(width * scale)), max(1, round(height * scale))
    elif width <= height:
        resized = how.resize, int(how.resize * height / width)
    else:
        resized = int(how.resize * width / height), how.resize
    if how.crop is None:
        return resized, (0, 0, width, height)
    left, top = round((resized[0] - how.crop) / 2), round((resized[1] - how.crop) / 2)
    across, down = width / resized[0], height / resized[1]
    box = left * across, top * down, (left + how.crop) * across, (top + how.crop) * down
    return (how.crop, how.crop), (max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3]))


def _shrink_jpeg(source: Image.Image, how: Preprocessing) -> None:
    """Let the JPEG decoder make a half, a quarter or an eighth of the size, where that is large enough."""
    wanted = how.resize or how.longest
    side = min(source.size) if how.resize else max(source.size)
    if side > wanted * REDUCING_GAP:
        scale = wanted * REDUCING_GAP / side
        source.draft(None, (int(source.width * scale), int(source.height * scale)))


def _orientation(source: Image.Image) -> int:
    """Return EXIF's orientation, 1 to 8; 1, upright, where there is none or it can't be read."""
    if source.format == "TIFF":  # Pillow has turned it already.
        return 1
    try:
        value = source.getexif().get(ExifTags.Base.Orientation, 1)
    except _DAMAGE:
        return 1
    return value if value in _TRANSPOSE else 1


def _unturned(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Return the box of the stored image which ``orientation`` turns into ``box`` of the upright one.

    Args:
        box: in the upright image.
        size: width and height of the upright image.
        orientation: EXIF's, 1 to 8.
    """
    left, top, right, bottom = box
    width, height = size
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if orientation >= 5 else (left, top, right, bottom)


def _averageable(source: Image.Image) -> Image.Image:
    """Return the image in a mode whose values can be averaged, as a resize does; indices and colour keys can't."""
    if source.mode == "LAB":
        raise InvalidImage("the image's colours are CIE L*a*b*; convert it to RGB")
    if source.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(source) >> 8).astype(np.uint8))
    if "transparency" in source.info and source.mode in {"1", "L", "P", "RGB"}:
        return source.convert("RGBA")
    return source.convert(_AVERAGEABLE[source.mode]) if source.mode in _AVERAGEABLE else source


_AVERAGEABLE = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "RGBX": "RGB",
}


def _rgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB, on white where it is transparent, as pages show it."""
    if image.mode in {"I", "F"}:
        return Image.fromarray(_stretched(np.asarray(image, np.float32))).convert("RGB")
    if image.mode in {"LA", "RGBA"}:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _stretched(values: NDArray[np.float32]) -> Pixels:
    """Return values of any range as 0 to 255, least to greatest; what is not a number counts as least."""
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
    scaled = (np.where(finite, values, low) - low) * (255 / max(high - low, 1e-12))
    return scaled.astype(np.uint8)
