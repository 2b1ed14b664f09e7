"""Small pictures for the page's tiles: what the model sees, drawn anew; no byte that a user uploaded is ever served."""

from __future__ import annotations

import io
import threading

from PIL import Image

from app.images import decoding
from app.images.turning import Box, Size
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
    """Return ``data`` as a JPEG of at most ``side`` by ``side`` pixels, and its MIME type.

    Raises:
        InvalidImage: it cannot be decoded.
    """

    def plan(size: Size) -> tuple[Size, Box]:
        scale = min(1.0, side / max(size))
        return (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))), (0, 0, *size)

    target = io.BytesIO()
    # Of the image nothing but its pixels is kept: comments and the like would be written again.
    picture = decoding.decode(data, plan, _resized, max_pixels=max_pixels)
    picture.info = {}
    picture.save(target, "JPEG", quality=82)
    return target.getvalue(), "image/jpeg"


def _resized(image: Image.Image, size: Size, box: Box) -> Image.Image:
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=decoding.REDUCING_GAP)
