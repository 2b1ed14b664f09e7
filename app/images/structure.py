"""What an image file's structure says, before anything is decoded or allocated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Structure:
    """What a reader found.

    Attributes:
        format: Pillow's name for it.
        width: in pixels as stored, before EXIF orientation.
        height: likewise.
        pixels: of the largest area that decoding would make: the image, or a frame or tile beyond it.
        lacks: what its data is too little for; empty where there may be enough.
    """

    format: str
    width: int
    height: int
    pixels: int
    lacks: str


def lacking(size: int, width: int, height: int) -> str:
    """Return the words for ``size`` bytes that cannot hold so many pixels."""
    return f"{max(0, size)} bytes for {width} x {height} pixels"
