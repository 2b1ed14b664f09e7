"""The photographs that benchmarks send: one set for all of them, so that their figures can be set side by side."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support import photographs


def small_jpegs() -> list[bytes]:
    """Return the labelled photographs, 500 x 375, as cameras and most programs save them: baseline."""
    return [encoded(Image.open(path).convert("RGB").crop((6, 64, 506, 439))) for path in photographs.labelled()]


def progressive_jpegs() -> list[bytes]:
    """Return them as they are published, about 512 x 512 and progressive: the decoder passes over each many times."""
    return [path.read_bytes() for path in photographs.labelled()]


def large_jpeg() -> bytes:
    """Return a photograph of 4000 x 3000."""
    return encoded(Image.open(io.BytesIO(photographs.coffee())).convert("RGB").resize((4000, 3000)))


def encoded(image: Image.Image) -> bytes:
    """Return an image as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()
