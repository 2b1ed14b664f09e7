"""Both bundles by one call: `elastiq bundle`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from app.deploy.bundle import TIERS
from tests.support import bundles


def test_the_command_makes_both_bundles_and_names_them(tmp_path: Path) -> None:
    (tmp_path / "wheels").symlink_to(bundles.models().parent / "wheels")
    bundles.build(TIERS["control"], tmp_path / "bundles")
    environment = {**os.environ, "ELASTIQ_DATA_DIR": str(tmp_path), "ELASTIQ_MODEL_DIR": str(bundles.models())}
    command = [sys.executable, "-m", "app.cli", "bundle", "--python", bundles.HERE.python]
    command += ["--machine", bundles.HERE.machine]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)

    assert done.returncode == 0, done.stderr
    named = [Path(line.split()[0]) for line in done.stdout.splitlines()]
    assert [path.name.partition("-")[0] for path in named] == ["worker", "control"]
    assert all(path.is_file() and re.search(r"-[0-9a-f]{64}\.tar\.gz$", path.name) for path in named)


def test_a_model_that_cannot_be_built_makes_no_bundle_and_says_so(tmp_path: Path) -> None:
    environment = {**os.environ, "ELASTIQ_DATA_DIR": str(tmp_path), "ELASTIQ_MODEL": "no-such-model"}
    environment["ELASTIQ_MODEL_DIR"] = str(tmp_path / "models")

    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "bundle"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "elastiq: the model 'no-such-model' could not be built; above is why"
    assert not (tmp_path / "bundles").exists()
