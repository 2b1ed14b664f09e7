"""The cheaper precision is taken, as measured on this host; what is wrong with int8 costs nobody a worker."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tasks.engine import artifact, precision
from tasks.engine.artifact import Manifest
from tasks.engine.openvino_runner import OpenVinoRunner, host
from tests.conftest import models
from tests.support.engines import engine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the default model's artifact, which nobody has loaded."""
    engine()
    copy = tmp_path / "efficientnet_lite0"
    shutil.copytree(models() / "efficientnet_lite0", copy, ignore=shutil.ignore_patterns("*measured*"))
    return copy


def manifest(folder: Path) -> Manifest:
    found = artifact.read(folder)
    assert found is not None
    return found


def loaded(folder: Path, wanted: str = "auto") -> OpenVinoRunner:
    return precision.runner(folder, manifest(folder), wanted)


def kept(folder: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads((folder / precision.KEPT).read_bytes())
    return found


def keep(folder: Path, **core_ms: float) -> None:
    key = f"{host()}, artifact {manifest(folder).fingerprint}"
    (folder / precision.KEPT).write_text(json.dumps({key: core_ms}))


def test_the_first_load_measures_and_keeps_what_it_found(folder: Path) -> None:
    runner = loaded(folder)

    (costs,) = kept(folder).values()
    other = OpenVinoRunner(folder).precision
    assert costs.keys() == {"int8", other}
    assert min(costs.values()) > 0
    assert runner.precision == ("int8" if costs["int8"] <= precision.WORTH * costs[other] else other)
    assert artifact.is_whole(folder, manifest(folder)), "what was measured is no part of the artifact"


def test_what_was_measured_on_this_host_decides_the_next_time(folder: Path) -> None:
    other = OpenVinoRunner(folder).precision

    keep(folder, **{"int8": 1.0, other: 2.0})
    assert loaded(folder).precision == "int8"
    keep(folder, **{"int8": 2.0, other: 1.0})
    assert loaded(folder).precision == other
    keep(folder, **{"int8": 0.95, other: 1.0})
    assert loaded(folder).precision == other, "so little would not pay for what int8 may lose"
    assert len(kept(folder)) == 1


def test_what_another_host_measured_or_nobody_can_read_is_measured_again(folder: Path) -> None:
    (folder / precision.KEPT).write_text(json.dumps({"another host": {"int8": 1.0, "fp32": 2.0}}))
    loaded(folder)
    assert len(kept(folder)) == 2

    (folder / precision.KEPT).write_text('{"half')
    loaded(folder)
    assert len(kept(folder)) == 1


def test_a_folder_that_can_not_be_written_is_measured_each_time(folder: Path) -> None:
    (folder / precision.KEPT).mkdir()  # which not even root can replace by a file

    assert loaded(folder).precision in {"int8", OpenVinoRunner(folder).precision}
    assert not list(folder.glob(f".{precision.KEPT}*"))


def test_an_int8_that_does_not_run_leaves_the_model_in_another_precision(folder: Path) -> None:
    (folder / artifact.INT8_GRAPH).write_text("<net/>")

    assert loaded(folder).precision == OpenVinoRunner(folder).precision


def test_a_precision_that_is_set_is_neither_measured_nor_doubted(folder: Path) -> None:
    assert loaded(folder, "fp32").precision == "fp32"
    assert loaded(folder, "int8").precision == "int8"
    assert not (folder / precision.KEPT).exists()
