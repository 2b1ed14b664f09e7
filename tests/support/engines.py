"""Built models for tests; each is built at most once."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from app.settings import Settings
from tasks.engine import Engine, load
from tests.conftest import models

ROOT = Path(__file__).parents[2]


def config(**variables: str) -> Settings:
    """Return settings with the shared folder of models and ``variables``, such as ``ELASTIQ_ENGINE="torch"``."""
    return Settings.from_environment({"ELASTIQ_MODEL_DIR": str(models()), **variables})


@cache
def engine(**variables: str) -> Engine:
    """Return the default model's engine, with ``variables`` set; the artifact is built if it is not there."""
    build = [sys.executable, "-m", "tasks.engine", "build", "efficientnet_lite0"]
    subprocess.run(build, check=True, cwd=ROOT, env={"ELASTIQ_MODEL_DIR": str(models()), "PATH": "/usr/bin:/bin"})
    return load("efficientnet_lite0", config(**variables))
