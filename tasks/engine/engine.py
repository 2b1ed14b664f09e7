"""An engine: bytes in, labels out. It joins the decoder, a runner and the labels, and knows no runtime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from app.domain import Prediction
from app.errors import ConfigurationError
from app.settings import Settings, settings
from tasks.engine import artifact
from tasks.engine.artifact import Preprocessing
from tasks.engine.build import overrides
from tasks.engine.decode import Pixels, decode

log = structlog.get_logger(__name__)

TOP = 5


class Runner(Protocol):
    """What runs a model on decoded pixels, from any number of threads."""

    @property
    def runtime(self) -> str:
        """What computes, and on what: for people."""

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
        preprocessing: how an image becomes the input.
        runner: what runs the model, and in which precision.
    """

    def __init__(
        self, name: str, labels: Sequence[str], preprocessing: Preprocessing, runner: Runner, *, max_pixels: int
    ) -> None:
        self.name = name
        self.labels = tuple(labels)
        self.preprocessing = preprocessing
        self.runner = runner
        self._max_pixels = max_pixels

    def classify(self, image: bytes) -> list[Prediction]:
        """Return the five likeliest labels, best first; fewer where the model has fewer.

        Args:
            image: a whole file, JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF.

        Raises:
            InvalidImage: it can't be decoded; the message is fit for its owner.
        """
        return self.predict(self.decode(image))

    def decode(self, image: bytes) -> Pixels:
        """Return the pixels that the model takes, of a whole file.

        Raises:
            InvalidImage: it can't be decoded; the message is fit for its owner.
        """
        return decode(image, self.preprocessing, max_pixels=self._max_pixels)

    def predict(self, pixels: Pixels) -> list[Prediction]:
        """Return the likeliest labels of what `decode` gave, as `classify` does."""
        scores = self.runner.run(pixels)
        best = np.argsort(-scores)[:TOP]
        return [Prediction(self.labels[index], float(scores[index])) for index in best]


_loading = threading.Lock()


def load(name: str | None = None, config: Settings | None = None) -> Engine:
    """Return the engine of a model; loaded at the first call of this process.

    Args:
        name: the model's; the configured one's unless told.
        config: this process's settings unless told.

    Raises:
        ConfigurationError: its artifact is missing, damaged, or was built from other weights or labels than are set
            now; or the precision or the runtime that is set can't be had.
    """
    config = config or settings()
    with _loading:
        return _load(name or config.engine.model, config)


@cache
def _load(name: str, config: Settings) -> Engine:
    engine = _load_torch(name, config) if config.engine.kind == "torch" else _load_artifact(name, config)
    log.info("engine_loaded", model=name, runtime=engine.runner.runtime, precision=engine.runner.precision)
    return engine


def _load_artifact(name: str, config: Settings) -> Engine:
    from tasks.engine import precision

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
    runner = precision.runner(folder, manifest, config.engine.precision)
    return Engine(name, manifest.labels, manifest.preprocessing, runner, max_pixels=config.images.max_pixels)


def _load_torch(name: str, config: Settings) -> Engine:
    try:
        from tasks.engine.models import define
        from tasks.engine.torch import TorchRunner
    except ModuleNotFoundError as err:
        raise ConfigurationError(f"ELASTIQ_ENGINE=torch needs {err.name}; run: pip install 'elastiq[model]'") from err
    model = define(name, config)
    runner = TorchRunner(model, minibatch=config.engine.minibatch, wait_s=config.engine.minibatch_wait_s)
    return Engine(name, model.labels, model.preprocessing, runner, max_pixels=config.images.max_pixels)
