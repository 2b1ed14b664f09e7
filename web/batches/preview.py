"""Small pictures for the page's tiles, always drawn anew: no byte that a user uploaded is ever served."""

from __future__ import annotations

import io
import struct
import threading

from PIL import Image, ImageOps

from app.errors import InvalidImage
from app.images.check import open_header
from app.images.kinds import CONTENT_TYPES
from app.storage import Storage
from web.http.seats import Seats

# The longest side in pixels: a tile on a screen of high density, and a picture to look at.
TILE, LARGE = 400, 1600

# Decoding takes memory by the image's size: this many at once.
DECODED_AT_ONCE = 2


class Previews:
    """Draws previews of stored images. Safe to share between threads.

    Args:
        storage: where the images are.
        max_pixels: the largest image drawn.
        seats: how many requests may be at it at once, those that wait for their turn included.
    """

    def __init__(self, storage: Storage, max_pixels: int, seats: Seats) -> None:
        self._storage, self._max_pixels, self._seats = storage, max_pixels, seats
        self._decoding = threading.BoundedSemaphore(DECODED_AT_ONCE)

    def draw(self, key: str, side: int) -> tuple[bytes, str]:
        """Return the image ``key`` as `render` does.

        Raises:
            Busy: so many are at it already that another would only wait.
            ImageNotFound, InvalidImage, InvalidKey: there is nothing to draw.
        """
        with self._seats.taken():
            data = self._storage.get_image(key)
            with self._decoding:
                return render(data, side=side, max_pixels=self._max_pixels)


def render(data: bytes, *, side: int, max_pixels: int) -> tuple[bytes, str]:
    """Return ``data`` as a picture of at most ``side`` by ``side`` pixels, upright, with its MIME type.

    Raises:
        InvalidImage: it cannot be decoded.
    """
    try:
        with open_header(io.BytesIO(data), max_pixels=max_pixels) as image:
            image.draft("RGB", (side, side))
            picture = ImageOps.exif_transpose(image)
            picture.thumbnail((side, side))
            return _encode(picture)
    except (
        OSError,
        SyntaxError,
        ValueError,
        OverflowError,
        EOFError,
        LookupError,
        struct.error,
        MemoryError,
    ) as err:
        raise InvalidImage(f"the image is damaged ({err})") from err


def _encode(picture: Image.Image) -> tuple[bytes, str]:
    target = io.BytesIO()
    if picture.mode.startswith("I;16"):
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    kind, mode = ("WEBP", "RGBA") if picture.has_transparency_data else ("JPEG", "RGB")
    picture = picture.convert(mode)
    # Comments and the like would be written again; the pixels are all that is shown.
    picture.info = {}
    picture.save(target, kind, quality=82)
    return target.getvalue(), CONTENT_TYPES[kind]
