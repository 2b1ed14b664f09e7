"""Small pictures for the page's tiles: what the model sees, drawn anew; no byte that a user uploaded is ever served."""

from __future__ import annotations

import threading
from collections.abc import Callable

from app.errors import ImageNotFound
from app.images.small import small
from app.sources.images import Images
from app.sources.source import name_in
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
        outcome: returns what became of an image, if anything has.
    """

    def __init__(
        self, storage: Storage | Images, max_pixels: int, seats: Seats, outcome: Callable[[str], object]
    ) -> None:
        self._storage, self._max_pixels, self._seats, self._outcome = storage, max_pixels, seats, outcome
        self._decoding = threading.BoundedSemaphore(DECODED_AT_ONCE)

    def draw(self, key: str, side: int) -> tuple[bytes, str]:
        """Return the image ``key`` as a JPEG of at most ``side`` by ``side`` pixels, and its MIME type.

        Raises:
            Busy: so many are at it already that another would only wait.
            ImageNotFound, InvalidImage, InvalidKey: there is nothing to draw.
        """
        with self._seats.taken():
            # Whoever asks names a key, and a source may be allowed a bucket: its batch has what was published alone.
            if name_in(key) and self._outcome(key) is None:
                raise ImageNotFound(f"there is no outcome of an image {key!r} yet")
            data = self._storage.get_image(key)
            with self._decoding:
                return small(data, side=side, max_pixels=self._max_pixels), "image/jpeg"
