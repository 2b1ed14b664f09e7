"""Decodes one image in a process of its own, which `apart` starts: its file comes by stdin, its pixels go to stdout.

It is run by its path, with no environment, and imports nothing of ours. What it decodes with is written in C and
cannot be interrupted: so the kernel bounds its time and memory, and it can open no file or socket.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from PIL import Image


def main() -> None:
    """Read the orders from the first argument, a JSON object; answer with a line of JSON and the pixels."""
    orders = json.loads(sys.argv[1])
    sys.path += orders["packages"]
    image = sys.stdin.buffer.read()
    try:
        opener = _OPENERS[orders["format"]]()
    except ImportError as err:
        sys.stdout.write(json.dumps({"missing": str(err)[:200]}))
        return
    _bind(orders)
    try:
        head, pixels = _decode(opener(io.BytesIO(image)), orders)
    except Exception as err:  # Whatever it is, it is told; the process ends here.
        head, pixels = {"why": (str(err) or type(err).__name__)[:200]}, b""
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
    sys.stdout.buffer.write(pixels)


def _bind(orders: dict[str, Any]) -> None:
    seconds = orders["cpu_s"]
    limits = {
        resource.RLIMIT_CPU: (seconds, seconds + 1),  # First SIGXCPU, which tells why.
        resource.RLIMIT_AS: (orders["memory"],) * 2,
        resource.RLIMIT_NOFILE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
    }
    for what, most in limits.items():
        resource.setrlimit(what, most)


def _decode(source: Image.Image, orders: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return mode and sizes, and the pixels: upright, and as much smaller as the orders say."""
    from PIL import ImageOps

    if source.width * source.height > orders["pixels"]:
        raise ValueError(f"it has {source.width} x {source.height} pixels, its header says fewer")
    # Boxes of these formats' own say how they are turned; pillow-heif heeds them, Pillow tells them as EXIF.
    for other in ("xmp", "exif") if source.format == "HEIF" else ("xmp",):
        source.info.pop(other, None)
    upright = ImageOps.exif_transpose(source)
    shrunk = orders["shrunk"] if not upright.mode.startswith(("I", "F")) else 1
    made = upright.reduce(shrunk) if shrunk > 1 else upright
    return {"mode": made.mode, "size": made.size, "whole": upright.size, "shrunk": shrunk}, made.tobytes()


# Here all is imported, while files can still be opened. One thread each: more would take memory, and another's time.
def _avif() -> Callable[[BinaryIO], Image.Image]:
    from PIL import AvifImagePlugin, ImageOps, TiffImagePlugin  # noqa: F401

    if not AvifImagePlugin.SUPPORTED:
        raise ImportError("Pillow has no AVIF")
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    return AvifImagePlugin.AvifImageFile


def _heif() -> Callable[[BinaryIO], Image.Image]:
    import pillow_heif
    from PIL import ImageOps  # noqa: F401

    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    return pillow_heif.HeifImageFile


_OPENERS = {"AVIF": _avif, "HEIF": _heif}

if __name__ == "__main__":
    main()
