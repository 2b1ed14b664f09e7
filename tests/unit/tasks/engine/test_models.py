"""Models by name: whose they are, with whose weights and labels, and what is said where they do not fit."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torchvision

from app.errors import ConfigurationError
from app.local.cloud import free_port
from app.settings import Settings
from tasks.engine.artifact import Preprocessing
from tasks.engine.models import Definition, Normalize, define

# torch and its models warn of their own doings.
pytestmark = pytest.mark.filterwarnings("ignore:::torch", "ignore:::torchvision", "ignore:::timm")

LABELS = ["ant", "bee", "cat"]
# Among torchvision's, a small one.
SMALL = "squeezenet1_1"


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    """Variables for weights of three classes that nobody trained, and their names."""
    torch.manual_seed(0)
    torch.save(torchvision.models.get_model(SMALL, num_classes=3).state_dict(), tmp_path / "weights.pth")
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    return {"ELASTIQ_WEIGHTS": str(tmp_path / "weights.pth"), "ELASTIQ_LABELS": str(tmp_path / "labels.json")}


def defined(name: str, variables: dict[str, str]) -> Definition:
    return define(name, Settings.from_environment(variables))


def logits(definition: Definition) -> torch.Tensor:
    """Return what the model makes of one image."""
    with torch.inference_mode():
        return definition.module(torch.zeros(1, 3, 224, 224))


def test_the_default_model_comes_with_its_weights_labels_and_preprocessing() -> None:
    found = defined("efficientnet_lite0", {})

    assert (len(found.labels), found.labels[281]) == (1000, "tabby")
    assert (found.preprocessing.resize, found.preprocessing.crop) == (256, 224)
    assert not found.module.training, "dropout would make each answer another"
    assert torch.equal(logits(found), logits(defined("efficientnet_lite0", {}))), "weights by chance differ"


@pytest.mark.parametrize("wrapped", [None, "state_dict", "model"])
def test_weights_may_be_wrapped_as_training_scripts_save_them(here: dict[str, str], wrapped: str | None) -> None:
    plain = defined(SMALL, here)
    if wrapped:
        path = here["ELASTIQ_WEIGHTS"]
        torch.save({wrapped: torch.load(path, weights_only=True), "epoch": 7}, path)

    found = defined(SMALL, here)

    assert found.labels == tuple(LABELS)
    assert torch.equal(logits(found), logits(plain))
    assert logits(found).shape == (1, 3)


def test_weights_may_be_safetensors(here: dict[str, str], tmp_path: Path) -> None:
    state = torch.load(here["ELASTIQ_WEIGHTS"], weights_only=True)
    safetensors.torch.save_file(state, tmp_path / "weights.safetensors")

    found = defined(SMALL, here | {"ELASTIQ_WEIGHTS": str(tmp_path / "weights.safetensors")})

    assert torch.equal(logits(found), logits(defined(SMALL, here)))


def test_labels_alone_rename_the_classes_of_the_published_weights(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps([f"class {n}" for n in range(1000)]))

    assert defined("efficientnet_lite0", {"ELASTIQ_LABELS": str(tmp_path / "labels.json")}).labels[7] == "class 7"


class Attack:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_weights_that_hold_code_are_refused_and_not_run(here: dict[str, str], tmp_path: Path) -> None:
    Path(here["ELASTIQ_WEIGHTS"]).write_bytes(pickle.dumps(Attack(tmp_path / "pwned")))

    with pytest.raises(ConfigurationError, match="does not fit the model"):
        defined(SMALL, here)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("no_such_model", {}, "no model is called 'no_such_model'; use efficientnet_lite0"),
        ("efficientnet_lite9", {}, "no model is called 'efficientnet_lite9'"),
        ("resnet18", {}, "does not fit the model"),
        ("efficientnet_lite0", {"ELASTIQ_WEIGHTS": ""}, "has 3 names, but efficientnet_lite0 has 1000 classes"),
        (SMALL, {"ELASTIQ_WEIGHTS": "/nowhere.pth"}, "ELASTIQ_WEIGHTS=/nowhere.pth does not fit"),
        (SMALL, {"ELASTIQ_LABELS": "/nowhere.json"}, "ELASTIQ_LABELS=/nowhere.json can't be read"),
        (SMALL, {"ELASTIQ_PREPROCESSING": "/nowhere.json"}, "ELASTIQ_PREPROCESSING=/nowhere.json can't be used"),
    ],
)
def test_what_can_not_be_had_says_why(here: dict[str, str], name: str, change: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        defined(name, here | change)


@pytest.mark.parametrize("text", ["{}", "[]", '["ant", 7]', '["ant", ""]', "ant"])
def test_labels_that_are_no_list_of_names_are_refused(here: dict[str, str], text: str) -> None:
    Path(here["ELASTIQ_LABELS"]).write_text(text)

    with pytest.raises(ConfigurationError, match="ELASTIQ_LABELS="):
        defined(SMALL, here)


def test_weights_that_cannot_be_downloaded_may_be_given_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(ConfigurationError, match=rf"weights of {SMALL} could not be had .* as ELASTIQ_WEIGHTS=FILE"):
        defined(SMALL, {})


def test_preprocessing_none_leaves_the_size_and_the_values() -> None:
    how = defined("efficientnet_lite0", {"ELASTIQ_PREPROCESSING": "none"}).preprocessing

    assert how.resize is how.crop is None
    assert torch.equal(Normalize(how)(torch.full((1, 3, 2, 2), 255.0)), torch.ones(1, 3, 2, 2))


def test_each_channel_is_normalised_by_its_own_mean_and_deviation() -> None:
    how = Preprocessing(None, None, "bicubic", (0.0, 0.2, 0.4), (1.0, 0.5, 0.1))

    seen = Normalize(how)(torch.full((1, 3, 1, 1), 0.6 * 255)).flatten()

    assert seen.tolist() == pytest.approx([0.6, 0.8, 2.0])
