"""The cheaper precision is taken, as measured on this host; what is wrong with int8 costs nobody a worker."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.engine import artifact, precision
from tasks.engine.artifact import Manifest
from tasks.engine.openvino_runner import OpenVinoRunner, floats, host
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


def keep(folder: Path, of: Manifest | None = None, **core_ms: float) -> None:
    key = f"{host()}, artifact {(of or manifest(folder)).fingerprint}"
    (folder / precision.KEPT).write_text(json.dumps({key: core_ms}))


def test_the_first_load_measures_and_keeps_what_it_found(folder: Path) -> None:
    runner = loaded(folder)

    (costs,) = kept(folder).values()
    assert costs.keys() == ({"int8", floats()[0]} if runner.precision == "int8" else {"int8", *floats()})
    assert min(costs.values()) > 0
    assert all(costs[runner.precision] <= cost for name, cost in costs.items() if name != "int8")
    assert artifact.is_whole(folder, manifest(folder)), "what was measured is no part of the artifact"


def test_what_was_measured_on_this_host_decides_the_next_time(folder: Path) -> None:
    other = OpenVinoRunner(folder).precision

    keep(folder, **{"int8": 1.0, other: 2.0})
    assert loaded(folder).precision == "int8"
    slow = dict.fromkeys(floats(), 9.0)
    keep(folder, **{**slow, "int8": 2.0, other: 1.0})
    assert loaded(folder).precision == other
    keep(folder, **{**slow, "int8": 0.95, other: 1.0})
    assert loaded(folder).precision == other, "so little would not pay for what int8 may lose"
    assert len(kept(folder)) == 1


@pytest.mark.skipif(len(floats()) < 2, reason="this processor has fp32 alone")
def test_of_precisions_that_are_not_int8_the_cheapest_on_this_host_is_taken_too(folder: Path) -> None:
    fast, fp32 = floats()[0], "fp32"
    slow = dict.fromkeys(floats(), 20.0)
    unquantized = replace(manifest(folder), int8={"taken": False})

    def taken(**core_ms: float) -> str:
        keep(folder, unquantized, **{**slow, **core_ms})
        return precision.runner(folder, unquantized, "auto").precision

    assert taken(**{fast: 14.6, fp32: 11.4}) == fp32, "bf16 where nothing computes it fast"
    assert taken(**{fast: 10.8, fp32: 11.4}) == fp32, "so little would not pay for what it may lose"
    assert taken(**{fast: 6.3, fp32: 11.4}) == fast
    keep(folder, **{**slow, "int8": 14.6, fast: 14.6, fp32: 11.4})
    assert loaded(folder).precision == fp32, "where int8 does not win"
    keep(folder, unquantized)
    precision.runner(folder, unquantized, "auto")
    assert [costs.keys() for costs in kept(folder).values()] == [{*floats()}]


def test_what_another_host_measured_or_nobody_can_read_is_measured_again(folder: Path) -> None:
    (folder / precision.KEPT).write_text(json.dumps({"another host": {"int8": 1.0, "fp32": 2.0}}))
    loaded(folder)
    assert len(kept(folder)) == 2

    (folder / precision.KEPT).write_text('{"half')
    loaded(folder)
    assert len(kept(folder)) == 1


def test_a_folder_that_can_not_be_written_is_measured_each_time(folder: Path) -> None:
    (folder / precision.KEPT).mkdir()  # which not even root can replace by a file

    assert loaded(folder).precision in {"int8", *floats()}
    assert not list(folder.glob(f".{precision.KEPT}*"))


def test_an_int8_that_does_not_run_leaves_the_model_in_another_precision(folder: Path) -> None:
    (folder / artifact.INT8_GRAPH).write_text("<net/>")

    assert loaded(folder).precision in floats()


def test_a_precision_that_is_set_is_neither_measured_nor_doubted(folder: Path) -> None:
    assert loaded(folder, "fp32").precision == "fp32"
    assert loaded(folder, "int8").precision == "int8"
    assert not (folder / precision.KEPT).exists()
