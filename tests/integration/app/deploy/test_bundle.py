"""Bundles: what is in one, that it runs where it is for, and that the same inputs make the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from app import speed
from app.deploy.bundle import LOCK, TIERS, Bundle, build
from app.deploy.wheels import Target, read_lock
from app.errors import ConfigurationError
from tests.support import bundles
from tests.support.engines import engine

WHEELS = bundles.models().parent / "wheels"
# What a host runs of it: the tier, and for a worker its engine too.
CODE = """
import io, sys
import app.cli, app.host.ship, {modules}
if {model}:
    from PIL import Image
    from tasks import engine
    for format in ("JPEG", "AVIF"):  # the second is decoded in a process of its own
        image = io.BytesIO()
        Image.new("RGB", (300, 300), (200, 30, 30)).save(image, format)
        print(len(engine.load("efficientnet_lite0").classify(image.getvalue())))
foreign = [name for name in ("torch", "ministack", "pytest") if name in sys.modules]
assert not foreign, foreign
outside = [m.__file__ for m in list(sys.modules.values()) if "site-packages" in str(getattr(m, "__file__", ""))]
assert not outside, outside
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    engine()  # which writes down what it measured of this host
    return bundles.build(TIERS["worker"], tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundles.build(TIERS["control"], tmp_path_factory.mktemp("out"))


def unpacked(bundle: Bundle, folder: Path) -> Path:
    with tarfile.open(bundle.path) as archive:
        archive.extractall(folder, filter="data")
    return folder


def run(python: str, folder: Path, modules: str, model: bool) -> str:
    environment = {
        "PYTHONPATH": str(folder / "packages"),
        "ELASTIQ_MODEL_DIR": str(folder / "models"),
        "PATH": os.environ["PATH"],
        "ELASTIQ_LOG_FORMAT": "json",
    }
    code = CODE.format(modules=modules, model=model)
    command = [python, "-P", "-s", "-S", "-c", code]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_worker_s_bundle_has_all_that_a_worker_needs_and_classifies(worker: Bundle, tmp_path: Path) -> None:
    said = run(sys.executable, unpacked(worker, tmp_path), "tasks.worker.lifecycle", model=True)

    assert said.splitlines()[-2:] == ["5", "5"]


def test_a_control_host_s_bundle_has_web_and_autoscaler_and_no_engine(control: Bundle, tmp_path: Path) -> None:
    folder = unpacked(control, tmp_path)

    run(sys.executable, folder, "web.server, autoscaler.service", model=False)
    assert [path.relative_to(folder / "models").as_posix() for path in (folder / "models").rglob("*.*")] == [
        f"{bundles.MODEL}/{speed.FILE}"
    ]
    assert not (folder / "packages" / "openvino").exists()
    assert list((folder / "packages" / "web" / "templates").iterdir())


def test_a_bundle_says_what_is_in_it_in_the_locked_versions(worker: Bundle, tmp_path: Path) -> None:
    about = json.loads((unpacked(worker, tmp_path) / "bundle.json").read_text())

    lock = read_lock(LOCK)
    assert (about["tier"], about["python"], about["machine"]) == ("worker", bundles.HERE.python, bundles.HERE.machine)
    assert about["model"] == bundles.MODEL
    assert {name: lock[name] for name in about["packages"]} == about["packages"]
    assert sorted(path.stem for path in (tmp_path / "units").iterdir()) == ["elastiq-logs", "elastiq-worker"]


def test_its_model_is_what_was_built_and_nothing_that_was_measured_here(worker: Bundle, tmp_path: Path) -> None:
    folder = unpacked(worker, tmp_path) / "models" / bundles.MODEL

    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *files}
    assert (bundles.models() / bundles.MODEL / "measured.json").is_file()


def test_the_same_inputs_make_the_same_bytes_and_the_name_is_their_digest(control: Bundle, tmp_path: Path) -> None:
    again = bundles.build(TIERS["control"], tmp_path)

    assert again.key == control.key == f"bundles/control-{control.digest}.tar.gz"
    assert again.path.read_bytes() == control.path.read_bytes()


def test_what_is_there_already_is_not_made_again_until_something_in_it_changes(control: Bundle) -> None:
    control.path.write_bytes(b"as it was")

    assert bundles.build(TIERS["control"], control.path.parent).path.read_bytes() == b"as it was"
    note = control.path.with_name(f".control-{bundles.HERE}.json")
    note.write_text(note.read_text().replace('"inputs": "', '"inputs": "other'))
    assert bundles.build(TIERS["control"], control.path.parent).size == control.size


def test_a_bundle_is_small_enough_to_be_there_in_a_second(worker: Bundle, control: Bundle) -> None:
    assert worker.size < 100e6
    assert control.size < 27e6


def test_a_model_that_is_not_built_is_an_error_that_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"python -m tasks\.engine build"):
        build(TIERS["worker"], bundles.HERE, tmp_path, wheels=WHEELS, model=tmp_path / "no")


def test_a_model_built_with_another_openvino_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"recipe": {"openvino": "2020.1"}}')

    with pytest.raises(ConfigurationError, match=r"was built with openvino 2020\.1"):
        build(TIERS["worker"], bundles.HERE, tmp_path, wheels=WHEELS, model=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["worker", "control"])
def test_a_bundle_for_ubuntu_s_python_runs_on_that_python(tier: str, tmp_path: Path) -> None:
    python = _python312()
    bundle = bundles.build(TIERS[tier], tmp_path / "out", Target("3.12", bundles.HERE.machine))
    modules = "tasks.worker.lifecycle" if tier == "worker" else "web.server, autoscaler.service"

    said = run(python, unpacked(bundle, tmp_path / "host"), modules, model=tier == "worker")

    assert tier == "control" or said.splitlines()[-2:] == ["5", "5"]


def _python312() -> str:
    for path in [*Path.home().glob(".pyenv/versions/3.12.*/bin/python"), Path("/usr/bin/python3.12")]:
        if path.is_file():
            return str(path)
    pytest.skip("there is no Python 3.12 on this machine: install one, or have pyenv do it")


@pytest.mark.slow
def test_a_bundle_for_arm_is_made_on_this_machine_of_arm_s_wheels(tmp_path: Path) -> None:
    bundle = bundles.build(TIERS["control"], tmp_path / "out", Target("3.12", "aarch64"))

    folder = unpacked(bundle, tmp_path / "host")
    libraries = list((folder / "packages").glob("**/*.so"))
    assert libraries
    # Source: ELF-64, e_machine at 18; 183 is AArch64.
    assert {int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries} == {183}
