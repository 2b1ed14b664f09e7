"""Photographs to calibrate and judge int8 on, and views of them: the user's own, or those that scikit-image ships."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.errors import ConfigurationError, InvalidImage
from app.images import decoding
from app.images.turning import Box, Size

# Of a larger folder's photographs so many are taken, from all over it; the longer side of each, in pixels.
MOST, SIDE = 400, 1024
# Each view is a square somewhere, this part of the shorter side at least.
LEAST_PART = 0.5
# What scikit-image's wheel has of things, places and textures; charts, drawings and pages are no photographs.
_SHIPPED = [
    *(f"{name}.png" for name in ("astronaut", "brick", "camera", "chelsea", "clock_motion", "coffee", "coins")),
    *(f"{name}.png" for name in ("grass", "gravel", "ihc", "moon", "motorcycle_left", "motorcycle_right")),
    *(f"{name}.jpg" for name in ("hubble_deep_field", "retina", "rocket")),
]


@dataclass(frozen=True, slots=True)
class View:
    """A part of a photograph as a model takes it: uint8 (side, side, 3), RGB; and the name of the folder it is from."""

    pixels: NDArray[np.uint8]
    folder: str


def files(folder: str) -> list[Path]:
    """Return the photographs in ``folder`` and below it, at most `MOST`; the shipped ones where it is empty.

    Raises:
        ConfigurationError: there is no such folder.
    """
    if not folder:
        spec = find_spec("skimage")
        data = Path(spec.origin).parent / "data" if spec and spec.origin else Path()
        return [data / name for name in _SHIPPED if spec and (data / name).is_file()]
    if not Path(folder).is_dir():
        raise ConfigurationError(f"ELASTIQ_CALIBRATION={folder} is no folder; name one with photographs, or none")
    found = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return found[:: max(1, -(-len(found) // MOST))]


def views(paths: list[Path], side: int, count: int, *, seed: int) -> Iterator[View]:
    """Yield about ``count`` views, evenly of all photographs; what can't be decoded is left out.

    Args:
        paths: the photographs.
        side: of each view, in pixels.
        count: how many, rounded up to as many of each.
        seed: another one gives other views.
    """
    chance = np.random.default_rng(seed)
    for path in paths:
        try:
            image = decoding.decode(path.read_bytes(), _small, _resized, max_pixels=10**8)
        except InvalidImage:
            continue
        for _ in range(-(-count // len(paths))):
            square = min(image.size) * chance.uniform(LEAST_PART, 1)
            left, top = (chance.uniform(0, length - square) for length in image.size)
            box = left, top, left + square, top + square
            part = image.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=decoding.REDUCING_GAP)
            yield View(np.asarray(part), path.parent.name)


def _small(size: Size) -> tuple[Size, Box]:
    scale = min(1.0, SIDE / max(size))
    return (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))), (0, 0, *size)


def _resized(image: Image.Image, size: Size, box: Box) -> Image.Image:
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=decoding.REDUCING_GAP)
