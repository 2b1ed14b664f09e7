"""From an image file's bytes to upright RGB pixels of the size that is wanted: one way for the model and for previews.

Who asks says what size to make of which part, and with which filter; how anything becomes RGB is in `colours`.
"""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import nullcontext

from PIL import Image

from app.errors import InvalidImage
from app.images import apart, colours, turning
from app.images.check import open_header
from app.images.header import judge
from app.images.timed import TimedFile
from app.images.turning import Box, Size

# From an upright picture's size to the size wanted, and the box of the picture that it is made of.
Plan = Callable[[Size], tuple[Size, Box]]
# Makes of a picture's box a picture of that size, as `PIL.Image.Image.resize` does.
Resize = Callable[[Image.Image, Size, Box], Image.Image]

# A picture that decodes to more pixels waits for its turn, so that a process's threads never hold two such.
LARGE_PIXELS = 8_000_000
# What decoding holds at once at most, per pixel.
BYTES_PER_PIXEL = 18
# The processor's time that decoding may take: for anything, and for each pixel. A tenth is usual for a large picture.
BASE_SECONDS, SECONDS_PER_PIXEL = 2, 0.2e-6
# A large picture is first made cheaply, by the decoder or a box, this many times as large as the filter then makes it.
REDUCING_GAP = 2.0
# A JPEG's decoder averages whole blocks of pixels, so there less is enough: 4000 x 3000 at an eighth, for 256.
JPEG_GAP = 1.4

# Of those that processes of their own decode there is one a core at once; of those larger than this, one.
LARGE_APART_PIXELS = 25_000_000

_large = threading.Lock()
_apart = threading.BoundedSemaphore(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
# What Pillow raises on a damaged file, as fuzzing found.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)


def decode(image: bytes, plan: Plan, resize: Resize, *, max_pixels: int) -> Image.Image:
    """Return what ``plan`` wants of an image, upright, in RGB.

    Args:
        image: a whole file, of any format that we take.
        plan: says what to make of which part.
        resize: makes it.
        max_pixels: the largest image decoded, in pixels by its header.

    Raises:
        InvalidImage: the bytes are not an image that can be decoded whole; the message tells its owner why.
        TransientError, ConfigurationError: as `apart.decode` has it.
    """
    if image[4:8] == b"ftyp":
        return _decode_apart(image, plan, resize, max_pixels)
    file = TimedFile(image)
    with open_header(file, max_pixels=max_pixels) as source:
        size = source.size
        shrunk = _shrink(source, plan)
        colours.cut_key(source)
        # A progressive JPEG is held whole, as coefficients, whatever size is made of it.
        held = size[0] * size[1] if source.info.get("progressive") else source.width * source.height
        with _large if held > LARGE_PIXELS else nullcontext():
            file.allow(BASE_SECONDS + SECONDS_PER_PIXEL * size[0] * size[1])
            try:
                source.load()
            except _DAMAGE as err:
                raise InvalidImage(f"the image is damaged or cut short ({err})") from err
            # Pillow turns a TIFF as it loads it.
            return _made(source, source.size if source.format == "TIFF" else size, shrunk, plan, resize)


def _decode_apart(image: bytes, plan: Plan, resize: Resize, max_pixels: int) -> Image.Image:
    found = judge(io.BytesIO(image), max_pixels=max_pixels)
    # Whichever way it is turned, this is the same.
    (width, height), box = plan((found.width, found.height))
    shrunk = max(1, int(min((box[2] - box[0]) / width, (box[3] - box[1]) / height) / REDUCING_GAP))
    with _large if found.pixels > LARGE_APART_PIXELS else _apart:
        upright = apart.decode(image, "AVIF" if found.format == "AVIF" else "HEIF", found.pixels, shrunk)
    return _made(upright.image, upright.size, upright.shrunk, plan, resize)


def _shrink(source: Image.Image, plan: Plan) -> float:
    """Let a JPEG's decoder make a half, a quarter or an eighth of the size, where that is large enough.

    Returns:
        How many pixels it makes one of, each way.
    """
    if source.format not in {"JPEG", "MPO"}:
        return 1
    size = source.size
    (width, height), box = plan(turning.turned(source.size, turning.orientation(source)))
    scale = JPEG_GAP * max(width / (box[2] - box[0]), height / (box[3] - box[1]))
    drafted = source.draft(None, (int(size[0] * scale), int(size[1] * scale))) if scale < 1 else None
    return size[0] / drafted[1][2] if drafted else 1


def _made(source: Image.Image, size: Size, shrunk: float, plan: Plan, resize: Resize) -> Image.Image:
    """Return what is wanted of a decoded image.

    Args:
        source: decoded, perhaps smaller than it is.
        size: width and height as stored, in full.
        shrunk: by how much it is smaller.
        plan: says what to make of which part.
        resize: makes it.
    """
    orientation = turning.orientation(source)
    upright = turning.turned(size, orientation)
    target, box = plan(upright)
    target = turning.turned(target, orientation)
    left, top, right, bottom = (side / shrunk for side in turning.stored_box(box, upright, orientation))
    box = left, top, min(right, source.width), min(bottom, source.height)
    stored = colours.averageable(source)
    if target != stored.size or box != (0, 0, *stored.size):
        stored = resize(stored, target, box)
    return turning.turn(colours.rgb(stored), orientation)
