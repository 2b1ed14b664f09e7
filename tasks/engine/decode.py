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

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.images import decoding
from app.images.turning import Box, Size
from tasks.engine.artifact import Preprocessing
from tasks.engine.resize import resize

Pixels = NDArray[np.uint8]


def decode(image: bytes, how: Preprocessing, *, max_pixels: int) -> Pixels:
    """Return what the model takes of an image.

    Args:
        image: a whole file, JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF.
        how: the size that the model takes; its mean and deviation are applied by the model itself.
        max_pixels: the largest image decoded, in pixels by its header.

    Returns:
        pixels: uint8 (H, W, 3), RGB.

    Raises:
        InvalidImage: the bytes are not an image that can be decoded whole; the message tells its owner why.
    """

    def resized(image: Image.Image, size: Size, box: Box) -> Image.Image:
        return resize(image, size, box, how.interpolation)

    return np.asarray(decoding.decode(image, lambda size: region(size, how), resized, max_pixels=max_pixels))


def region(size: Size, how: Preprocessing) -> tuple[Size, Box]:
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
