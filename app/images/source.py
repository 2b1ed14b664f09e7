"""A file as the readers of structure see it: any part of it by offset, in bounded memory."""

from __future__ import annotations

import re
from typing import BinaryIO

from app.errors import InvalidImage

_WINDOW = 16 * 1024
_BLOCK = 256 * 1024


class Source:
    """Reads parts of a seekable stream through a small window.

    Args:
        stream: the whole file.

    Attributes:
        size: of the file, in bytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)
        self._start, self._window = 0, b""

    def read(self, at: int, count: int) -> bytes:
        """Return the ``count`` bytes at ``at``; ask for no number that only the file vouches for.

        Raises:
            InvalidImage: the file ends before.
        """
        if not 0 <= at <= self.size - count:
            raise damaged("it ends too early")
        if not (self._start <= at and at + count <= self._start + len(self._window)):
            self._stream.seek(at)
            self._start, self._window = at, self._stream.read(max(count, _WINDOW))
        return self._window[at - self._start : at - self._start + count]

    def find(self, two_bytes: re.Pattern[bytes], at: int) -> int | None:
        """Return where the first match of a pattern of two bytes begins, at ``at`` or later, or None."""
        size = _WINDOW
        while at < self.size - 1:
            block = self.read(at, min(size, self.size - at))
            if found := two_bytes.search(block):
                return at + found.start()
            at, size = at + len(block) - 1, _BLOCK
        return None


def damaged(why: str) -> InvalidImage:
    """Return the error that says what is wrong with a file."""
    return InvalidImage(f"the image is damaged or cut short ({why})")
