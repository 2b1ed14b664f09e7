"""A file as the readers of structure see it: any part of it by offset, in bounded memory."""

from __future__ import annotations

import re
from typing import BinaryIO

from app.errors import InvalidImage

_WINDOW = 1024
_MARK = 0xFF
# Bytes in a search's first block, and in the next ones.
_SEARCHED = 16 * 1024, 256 * 1024


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

    def find(self, pair: Pair, at: int, most: int | None = None) -> int | None:
        """Return where the first such pair of bytes begins, at ``at`` or later, or None.

        Args:
            pair: what to look for.
            at: where to begin.
            most: how many bytes to look at; all that follow, unless told.
        """
        end = self.size if most is None else min(self.size, at + most)
        size, larger = _SEARCHED
        while at < end - 1:
            block = self.read(at, min(size, end - at))
            if (found := pair.search(block)) >= 0:
                return at + found
            at, size = at + len(block) - 1, larger
        return None


class Pair:
    """0xFF and any byte that is not one of ``others``."""

    def __init__(self, others: bytes) -> None:
        self._pattern = re.compile(b"\xff[^" + re.escape(others) + b"]")
        self._classes = bytes(_MARK if byte == _MARK else byte in others for byte in range(256))
        self._pair = bytes([_MARK, False])

    def search(self, block: bytes) -> int:
        """Return where the first one begins, or -1."""
        if block.count(_MARK) > len(block) // 16:  # Each costs the pattern some time.
            return block.translate(self._classes).find(self._pair)
        found = self._pattern.search(block)
        return found.start() if found else -1


def damaged(why: str) -> InvalidImage:
    """Return the error that says what is wrong with a file."""
    return InvalidImage(f"the image is damaged or cut short ({why})")
