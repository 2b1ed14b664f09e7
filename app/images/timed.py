"""A file that its reader can't go on reading once it has taken too long: Pillow's decoders read as they decode."""

from __future__ import annotations

import io
import time

from app.errors import InvalidImage


class TimedFile(io.BytesIO):
    """A file in memory that ends its reader by an error when its time is over.

    The time is that which the processor gave to the reader's thread: on a busy machine nothing is refused for waiting.
    """

    _until: float | None = None

    def allow(self, seconds: float) -> None:
        """Let the thread that calls this read for so long from now on."""
        self._until = time.thread_time() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; to read none only asks whether there is time.

        Raises:
            InvalidImage: the time is over.
        """
        if self._until is not None and time.thread_time() >= self._until:
            raise InvalidImage("the image takes too long to decode")
        return super().read(size)
