"""Measures what a built model costs on this processor: CPU time, the median, so that other work changes it little."""

from __future__ import annotations

import io
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from app.settings import Settings
from app.speed import Speed, processor
from tasks.engine import precision
from tasks.engine.artifact import Manifest
from tasks.engine.decode import decode

# Images that are run before it counts, and CPU time and images for which it goes on.
WARM, LONG_ENOUGH_S, MOST = 3, 0.4, 100
SIZE = 500, 375


def measure(folder: Path, manifest: Manifest, settings: Settings) -> Speed:
    """Run the model in ``folder`` on a made photograph, again and again.

    Raises:
        ConfigurationError: the processor does not have the precision that is set.
    """
    runner = precision.runner(folder, manifest, settings.engine.precision)
    image = _photograph()

    def run() -> None:
        runner.run(decode(image, manifest.preprocessing, max_pixels=settings.images.max_pixels))

    for _ in range(WARM):
        run()
    times = [time.process_time()]
    while len(times) == 1 or (len(times) <= MOST and times[-1] - times[0] < LONG_ENOUGH_S):
        run()
        times.append(time.process_time())
    usual_s = median(after - before for before, after in pairwise(times))
    return Speed(round(1000 * usual_s, 2), runner.precision, processor())


def _photograph() -> bytes:
    """Return a JPEG about as large as a photograph of its size, some 50 kB: slow changes with a little noise."""
    width, height = SIZE
    across, down = np.meshgrid(np.linspace(0, 6, width), np.linspace(0, 4, height))
    smooth = np.stack([np.sin(across + down), np.cos(across - down), np.sin(across * down)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 12, (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(128 + 90 * smooth + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()
