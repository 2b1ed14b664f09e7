"""Builds as users do them: by name, from files of their own, and what is said when it can't be done."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image

from app import speed
from app.errors import ConfigurationError
from app.settings import Settings
from tasks.engine import Engine, artifact, load
from tasks.engine.build import build, recipe
from tests.conftest import models
from tests.support import photographs
from tests.support.engines import ROOT, engine

# torch's exporter and its models warn of their own doings.
pytestmark = pytest.mark.filterwarnings("ignore:::torch", "ignore:::torchvision", "ignore:::timm", "ignore:::copyreg")

LABELS = ["ant", "bee", "cat"]
# Among torchvision's, the one that is built the fastest.
SMALL = "squeezenet1_1"


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    """Variables for a folder of models, weights of three classes that nobody trained, and their names."""
    torch.manual_seed(0)
    torch.save(torchvision.models.get_model(SMALL, num_classes=3).state_dict(), tmp_path / "weights.pth")
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    return {
        "ELASTIQ_MODEL_DIR": str(tmp_path / "models"),
        "ELASTIQ_WEIGHTS": str(tmp_path / "weights.pth"),
        "ELASTIQ_LABELS": str(tmp_path / "labels.json"),
        "ELASTIQ_CALIBRATION": "none",
    }


def built(name: str, variables: dict[str, str]) -> Engine:
    settings = Settings.from_environment(variables)
    build(name, settings, say=lambda line: None)
    return load(name, settings)


def compared_with_torch(name: str, variables: dict[str, str], sizes: list[tuple[int, int]]) -> Engine:
    """Return the compiled engine, having held its answers to torch's on photographs of ``sizes``."""
    compiled = built(name, {**variables, "ELASTIQ_PRECISION": "fp32"})
    reference = load(name, Settings.from_environment({**variables, "ELASTIQ_ENGINE": "torch"}))
    for size in sizes:
        file = io.BytesIO()
        Image.open(io.BytesIO(photographs.chelsea())).resize(size).save(file, "PNG")
        ours, theirs = compiled.classify(file.getvalue()), reference.classify(file.getvalue())
        assert [each.label for each in ours] == [each.label for each in theirs]
        assert [each.score for each in ours] == pytest.approx([each.score for each in theirs], abs=1e-4)
    return compiled


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ELASTIQ_MODEL_DIR": str(models()), **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)


def cats(folder: Path) -> Path:
    """Return a folder with a photograph."""
    (folder / "cats").mkdir()
    (folder / "cats" / "chelsea.png").write_bytes(photographs.chelsea())
    return folder / "cats"


def test_a_torchvision_model_is_built_from_a_file_of_weights_with_names_of_ones_own(here: dict[str, str]) -> None:
    engine = compared_with_torch(SMALL, here, [(500, 375)])

    assert engine.labels == tuple(LABELS)
    assert engine.preprocessing.interpolation == "bilinear"
    assert {each.label for each in engine.classify(photographs.chelsea())} == set(LABELS)


def test_a_build_measures_the_model_once_and_a_model_that_was_built_before_too(here: dict[str, str]) -> None:
    built(SMALL, here)
    settings, said = Settings.from_environment(here), list[str]()
    folder = settings.models / SMALL
    first = speed.read(folder)
    build(SMALL, settings, said.append)
    assert first is not None
    assert not [line for line in said if "core-ms" in line]
    (folder / speed.FILE).unlink()
    before = (folder / artifact.MANIFEST).stat().st_ino
    build(SMALL, settings, said.append)
    again = speed.read(folder)
    assert again is not None
    assert (folder / artifact.MANIFEST).stat().st_ino == before
    assert again.precision in said[-1]


def test_a_model_takes_images_in_their_own_size_where_preprocessing_is_none(here: dict[str, str]) -> None:
    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), here["ELASTIQ_WEIGHTS"])
    native = {**here, "ELASTIQ_PREPROCESSING": "none"}
    engine = compared_with_torch("resnet18", native, [(250, 165), (64, 300), (451, 300)])

    assert engine.preprocessing.resize is engine.preprocessing.crop is None


def test_preprocessing_can_be_a_file(here: dict[str, str], tmp_path: Path) -> None:
    how = {"resize": 64, "crop": 64, "interpolation": "bicubic", "mean": [0, 0, 0], "std": [1, 1, 1]}
    (tmp_path / "how.json").write_text(json.dumps(how))

    engine = compared_with_torch(SMALL, {**here, "ELASTIQ_PREPROCESSING": str(tmp_path / "how.json")}, [(90, 80)])

    assert engine.preprocessing.crop == 64


def test_a_timm_model_is_built_by_name(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(0)
    torch.save(timm.create_model("test_convnext", num_classes=1000).state_dict(), tmp_path / "weights.pth")
    variables = {"ELASTIQ_MODEL_DIR": str(tmp_path), "ELASTIQ_WEIGHTS": str(tmp_path / "weights.pth")}
    variables["ELASTIQ_CALIBRATION"] = "none"

    engine = compared_with_torch("test_convnext", variables, [(300, 300)])

    assert engine.labels[281] == "tabby"


def test_a_current_artifact_is_left_alone_and_torch_is_not_imported() -> None:
    engine()
    manifest = models() / "efficientnet_lite0" / artifact.MANIFEST
    before = manifest.stat()
    check = "; assert not {'torch', 'openvino'} & set(sys.modules), 'imported for nothing'"
    lines = "import sys; from tasks.engine.__main__ import main; main(['build'], standalone_mode=False)"

    done = run("-c", lines + check)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "efficientnet_lite0 is built and current" in done.stderr
    assert manifest.stat() == before


def test_a_damaged_artifact_is_refused_and_then_built_again(here: dict[str, str]) -> None:
    settings = Settings.from_environment(here)
    folder = build(SMALL, settings, say=lambda line: None)
    with (folder / "model.bin").open("r+b") as file:
        file.truncate(1000)

    with pytest.raises(ConfigurationError, match=rf"damaged; run: python -m tasks\.engine build {SMALL}"):
        load(SMALL, settings)
    build(SMALL, settings, say=lambda line: None)
    assert load(SMALL, settings).name == SMALL


def test_a_model_that_was_built_from_other_labels_is_refused(here: dict[str, str], tmp_path: Path) -> None:
    settings = Settings.from_environment(here)
    build(SMALL, settings, say=lambda line: None)
    (tmp_path / "labels.json").write_text(json.dumps(["one", "two", "three"]))

    with pytest.raises(ConfigurationError, match="was not built from the labels that are set now; run: python -m"):
        load(SMALL, settings)


def test_a_missing_artifact_says_what_to_run(tmp_path: Path) -> None:
    done = run("-c", "from tasks.engine import load; load()", ELASTIQ_MODEL_DIR=str(tmp_path))

    assert "there is no built model 'efficientnet_lite0'" in done.stderr
    assert "run: python -m tasks.engine build efficientnet_lite0" in done.stderr


def test_a_model_that_int8_would_cost_its_answers_is_built_without_it(here: dict[str, str], tmp_path: Path) -> None:
    """Of weights that nobody trained every class is as likely as any other."""
    lines: list[str] = []
    settings = Settings.from_environment({**here, "ELASTIQ_CALIBRATION": str(cats(tmp_path))})

    folder = build(SMALL, settings, lines.append)

    manifest = artifact.read(folder)
    assert manifest is not None
    assert not manifest.int8["taken"]
    assert "are needed to judge by" in manifest.int8["why"]
    assert f"{SMALL}: no int8: {manifest.int8['why']}" in lines
    assert sorted(manifest.files) == ["model.bin", "model.xml"]
    assert not (folder / artifact.INT8_GRAPH).exists()
    with pytest.raises(ConfigurationError, match="has no such graph; its manifest says why"):
        load(SMALL, Settings.from_environment({**here, "ELASTIQ_PRECISION": "int8"}))


def test_another_folder_of_photographs_is_another_recipe(here: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    settings = Settings.from_environment({**here, "ELASTIQ_CALIBRATION": str(tmp_path / "mine")})
    before = recipe(SMALL, settings)
    (tmp_path / "mine" / "cat.png").write_bytes(photographs.chelsea())

    assert recipe(SMALL, settings) != before
    assert recipe(SMALL, Settings.from_environment({**here, "ELASTIQ_CALIBRATION": ""}))["calibration"] == ""


def test_a_killed_build_leaves_nothing_that_loads(tmp_path: Path, here: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tasks.engine", "build", SMALL],
        cwd=ROOT,
        env={**os.environ, **here},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "exporting" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()

    assert not (tmp_path / "models" / SMALL).exists()
    with pytest.raises(ConfigurationError, match="there is no built model"):
        load(SMALL, Settings.from_environment(here))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("no_such_model", {}, "no model is called 'no_such_model'"),
        (SMALL, {"ELASTIQ_WEIGHTS": "/nowhere.pth"}, "ELASTIQ_WEIGHTS=/nowhere.pth can't be read"),
        (SMALL, {"ELASTIQ_PREPROCESSING": "/nowhere.json"}, "ELASTIQ_PREPROCESSING=/nowhere.json can't be read"),
        (SMALL, {"ELASTIQ_CALIBRATION": "/nowhere"}, "ELASTIQ_CALIBRATION=/nowhere is no folder"),
    ],
)
def test_what_can_not_be_built_says_why(here: dict[str, str], name: str, change: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        built(name, here | change)
