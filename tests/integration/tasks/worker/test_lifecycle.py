"""A worker's life from its first moment: what it lacks is said before it takes any work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import models
from tests.support.workers import ROOT


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ELASTIQ_MODEL_DIR": "nowhere"}, "python -m tasks.engine build"),
        ({"ELASTIQ_CONCURRENCY": "many"}, "ELASTIQ_CONCURRENCY"),
    ],
)
def test_a_worker_that_cannot_work_ends_with_status_2_and_says_why(
    environment: dict[str, str], wrong: dict[str, str], words: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", "worker"], env={**os.environ, **environment, **wrong}, cwd=ROOT,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 2
    assert words in ended.stderr + ended.stdout


def test_a_worker_without_its_packages_says_what_to_install(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "openvino.py").write_text("raise ModuleNotFoundError(name=__name__)")
    found = {**os.environ, **environment, "PYTHONPATH": str(tmp_path), "ELASTIQ_MODEL_DIR": str(models())}
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", "worker"], env=found, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert "a worker needs openvino; run: pip install 'elastiq[worker]'" in ended.stderr
