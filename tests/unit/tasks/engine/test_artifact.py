from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError
from tasks.engine import artifact
from tasks.engine.artifact import Manifest, Preprocessing
from tasks.engine.build import is_current

USUAL = Preprocessing(256, 224, "bicubic", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def made(folder: Path) -> Manifest:
    folder.mkdir(parents=True)
    (folder / "model.xml").write_text("<net/>")
    manifest = Manifest(
        "m",
        ("cat", "dog"),
        USUAL,
        {"torch": "2"},
        {"model.xml": artifact.hash_of(folder / "model.xml")},
        {"taken": False},
    )
    artifact.write(folder, manifest)
    return manifest


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert artifact.read(tmp_path / "m") is None
    manifest = made(tmp_path / "m")

    assert artifact.read(tmp_path / "m") == manifest


def test_an_artifact_of_another_format_counts_as_none(tmp_path: Path) -> None:
    made(tmp_path / "m")
    path = tmp_path / "m" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": artifact.FORMAT + 1}))

    assert artifact.read(tmp_path / "m") is None


def test_an_artifact_is_whole_only_while_every_file_is_as_it_was_built(tmp_path: Path) -> None:
    manifest = made(tmp_path / "m")
    assert artifact.is_whole(tmp_path / "m", manifest)

    (tmp_path / "m" / "model.xml").write_text("<met/>")
    assert not artifact.is_whole(tmp_path / "m", manifest)
    (tmp_path / "m" / "model.xml").unlink()
    assert not artifact.is_whole(tmp_path / "m", manifest)


def test_a_build_that_fails_leaves_the_old_artifact_and_nothing_else(tmp_path: Path) -> None:
    manifest = made(tmp_path / "m")

    def build() -> None:
        with artifact.replacing(tmp_path / "m") as new:
            (new / "model.xml").write_text("half")
            raise RuntimeError("the power fails")

    with pytest.raises(RuntimeError, match="the power fails"):
        build()

    assert artifact.read(tmp_path / "m") == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_build_that_succeeds_takes_the_old_ones_place_whole(tmp_path: Path) -> None:
    made(tmp_path / "m")
    (tmp_path / "m" / "left over").touch()

    with artifact.replacing(tmp_path / "m") as new:
        (new / "model.xml").write_text("new")

    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["model.xml"]


@pytest.mark.parametrize("name", ["", "..", "../m", "a/b", "/etc", ".hidden", "a\x00b"])
def test_a_name_that_would_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a model's name"):
        artifact.folder_of(tmp_path, name)


@pytest.mark.parametrize(
    "change",
    [
        {"crop": 300},
        {"resize": None},
        {"resize": 0, "crop": None},
        {"interpolation": "lanczos5"},
        {"std": [0.5, 0.0, 0.5]},
        {"mean": [0.5]},
    ],
)
def test_preprocessing_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    usual = {"resize": 256, "crop": 224, "interpolation": "bilinear", "mean": [0, 0, 0], "std": [1, 1, 1]}
    Preprocessing.from_json(usual)

    with pytest.raises(ValueError, match=r"must|needs"):
        Preprocessing.from_json(usual | change)


def test_an_artifact_is_current_while_all_that_can_be_known_here_is_the_same() -> None:
    had = {"model": "m", "torch": "2.14", "weights": ""}

    assert is_current(had, had)
    assert is_current(had, {"model": "m", "weights": ""}), "a host without torch"
    assert not is_current(had, had | {"torch": "2.15"})
    assert not is_current(had, had | {"weights": "ab12"})
    assert not is_current(had, had | {"timm": "1.0"})
