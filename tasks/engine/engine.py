"""An engine: bytes in, labels out. It joins the decoder, a runner and the labels, and knows no runtime."""

from __future__ import annotations

import io
import threading
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.domain import Prediction
from app.errors import ConfigurationError
from app.settings import settings
from tasks.engine import artifact
from tasks.engine.artifact import Manifest
from tasks.engine.build import overrides
from tasks.engine.decode import Pixels, decode

TOP = 5


class Runner(Protocol):
    """What runs a model on decoded pixels, from any number of threads."""

    @property
    def precision(self) -> str:
        """``fp32``, ``bf16``, ``fp16`` or ``int8``."""

    def run(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the probability of each class, float32 (classes,), for uint8 (H, W, 3) RGB."""


class Engine:
    """A model with its preprocessing and labels. Thread-safe.

    Attributes:
        name: the model's.
        labels: class names in the order of the model's outputs.
        precision: what the runner computes in.
        fingerprint: of the artifact.
    """

    def __init__(self, manifest: Manifest, runner: Runner, *, max_pixels: int) -> None:
        self.name = manifest.name
        self.labels = manifest.labels
        self.precision = runner.precision
        self.fingerprint = manifest.fingerprint
        self._preprocessing = manifest.preprocessing
        self._runner = runner
        self._max_pixels = max_pixels

    def classify(self, image: bytes) -> list[Prediction]:
        """Return the five likeliest labels, best first; fewer where the model has fewer.

        Args:
            image: a whole file, JPEG, PNG, WebP, GIF, BMP or TIFF.

        Raises:
            InvalidImage: it can't be decoded; the message is fit for its owner.
        """
        scores = self._runner.run(decode(image, self._preprocessing, max_pixels=self._max_pixels))
        best = np.argsort(-scores)[:TOP]
        return [Prediction(self.labels[index], float(scores[index])) for index in best]


_loading = threading.Lock()


def load(name: str | None = None) -> Engine:
    """Return the engine of ``name``, or of the configured model; loaded at the first call of this process.

    Raises:
        ConfigurationError: its artifact is missing, damaged, or was built from other weights or labels.
    """
    with _loading:
        return _load(name or settings().model)


@cache
def _load(name: str) -> Engine:
    from tasks.engine.openvino_runner import OpenVinoRunner

    config = settings()
    folder = artifact.folder_of(config.models, name)
    manifest = artifact.read(folder)
    build = f"run: python -m tasks.engine build {name}"
    if manifest is None:
        raise ConfigurationError(f"there is no built model {name!r} in {folder}; {build}")
    if not artifact.is_whole(folder, manifest):
        raise ConfigurationError(f"the built model in {folder} is damaged; {build}")
    for what, sha256 in overrides(config).items():
        if sha256 and manifest.recipe[what] != sha256:
            raise ConfigurationError(f"the model in {folder} was not built from the {what} that are set now; {build}")
    engine = Engine(manifest, OpenVinoRunner(folder), max_pixels=config.max_pixels)
    engine.classify(_blank())
    return engine


def _blank() -> bytes:
    """Return a small PNG. Classified once at load, in one thread alone.

    OpenVINO's Python binding deadlocks when its first two calls come from two threads at once (a static
    initialiser that takes the interpreter's lock), and Pillow loads its decoders at its first image.
    """
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()
