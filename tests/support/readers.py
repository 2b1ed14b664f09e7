"""What a reader of an image's structure says of bytes: one way to ask it for the tests of every format."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from app.errors import InvalidImage
from app.images.source import Source
from app.images.structure import Structure


def asks(read: Callable[[Source], Structure]) -> tuple[Callable[[bytes], Structure], Callable[[bytes], str]]:
    """Return two functions of a file's bytes: what ``read`` finds in it, and why it refuses it."""

    def structure(content: bytes) -> Structure:
        return read(Source(io.BytesIO(content)))

    def reason(content: bytes) -> str:
        with pytest.raises(InvalidImage) as caught:
            structure(content)
        return str(caught.value)

    return structure, reason
