"""The formats that we take, and the words for what we don't."""

from __future__ import annotations

# The formats that we take, by Pillow's names. MPO is a JPEG with more pictures behind the first; the first is taken.
CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
FORMATS = tuple(name for name in CONTENT_TYPES if name != "MPO")
TAKEN = "JPEG, PNG, WebP, GIF, BMP or TIFF"

# Beginnings of what people hand in by mistake, to name it to them.
_OTHERS = {
    b"ftyphei": "a HEIC photograph",
    b"ftypmif1": "a HEIC photograph",
    b"ftypavif": "an AVIF image",
    b"%PDF": "a PDF document",
    b"<svg": "an SVG drawing",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"PK\x03\x04": "a ZIP archive",
}


def unknown(start: bytes) -> str:
    """Return why a file that begins with ``start`` is no image that we take, and what its owner can do."""
    for mark, what in _OTHERS.items():
        if mark in start[:64].lower() or mark in start[:64]:
            return f"this is {what}; convert it to {TAKEN}"
    return f"this is not an image; {TAKEN} is taken"
