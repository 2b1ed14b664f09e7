"""JPEGs as cameras make them, and cut, or made of too many scans."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import Image

from tests.support import photographs

EOI = b"\xff\xd9"


def photograph(size: tuple[int, int] = (500, 375), mode: str = "RGB", **how: Any) -> bytes:
    """Return a photograph as JPEG; ``how`` is Pillow's."""
    file = io.BytesIO()
    Image.open(io.BytesIO(photographs.coffee())).convert("RGB").resize(size).convert(mode).save(file, "JPEG", **how)
    return file.getvalue()


def scans(size: tuple[int, int], count: int = 0, length: int = 0) -> bytes:
    """Return a progressive JPEG of one colour that goes over itself ``count`` times more, or for so many bytes."""
    file = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(file, "JPEG", progressive=True)
    whole = file.getvalue()
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * (count or length // len(last)) + EOI


def in_scans_of_one_channel(size: tuple[int, int] = (64, 48)) -> bytes:
    """Return a JPEG that is not progressive and has a scan for each of its three channels."""
    planes = [photograph(size, "L", quality=quality) for quality in (80, 80, 80)]
    start = planes[0].index(b"\xff\xda")
    frame = planes[0].index(b"\xff\xc0")
    channels = b"".join(bytes([name, 0x11, 0]) for name in (1, 2, 3))
    header = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, size[1], size[0], 3) + channels
    head = planes[0][:frame] + header + planes[0][frame + 13 : start]
    data = [plane[start + 10 : -2] for plane in planes]
    return head + b"".join(b"\xff\xda\x00\x08\x01" + bytes([n + 1, 0, 0, 63, 0]) + data[n] for n in range(3)) + EOI


def saved(format: str, size: tuple[int, int] = (30, 20), mode: str = "RGB", *, frames: int = 1, **how: Any) -> bytes:
    """Return an image of any format that Pillow writes, of one colour a frame; ``how`` is Pillow's."""
    file = io.BytesIO()
    pictures = [Image.new(mode, size, number) for number in range(frames)]
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    pictures[0].save(file, format, **more, **how)
    return file.getvalue()
