"""Real photographs, read from the packages that ship them, and files that only pretend to be some."""

from __future__ import annotations

import struct
import zlib
from importlib.util import find_spec
from pathlib import Path


def chelsea() -> bytes:
    """Return a photograph of a cat, PNG."""
    return _data("skimage", "chelsea.png").read_bytes()


def coffee() -> bytes:
    """Return a photograph of a cup of coffee, PNG."""
    return _data("skimage", "coffee.png").read_bytes()


def labelled() -> list[Path]:
    """Return 20 ImageNet photographs, JPEG; the number after the last ``_`` is the class."""
    found = sorted(_data("foolbox", "").glob("imagenet_*_*.jpg"))
    assert len(found) == 20
    return found


def bomb() -> bytes:
    """Return a PNG of a kilobyte that says that it has 200 megapixels."""
    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(bytes(1000))), _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _data(package: str, name: str) -> Path:
    # Found, not imported: foolbox warns at its import.
    spec = find_spec(package)
    assert spec is not None, f"{package} is not installed"
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / name
