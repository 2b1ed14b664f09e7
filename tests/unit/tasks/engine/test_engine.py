"""An engine stands alone: whoever has one needs no Celery, and no torch to run what was built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


def loaded(*modules: str) -> set[str]:
    """Return the packages that a new process has once it has imported ``modules``."""
    script = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["tasks.engine", "tasks.engine.openvino_runner", "tasks.engine.__main__"])
def test_it_is_used_without_celery_and_without_torch(module: str) -> None:
    found = loaded(module)

    assert {"tasks", "app"} <= found
    assert not {"celery", "kombu", "torch", "timm"} & found


def test_it_is_built_without_celery() -> None:
    found = loaded("tasks.engine.export", "tasks.engine.torch")

    assert "torch" in found
    assert not {"celery", "kombu"} & found
