"""The `elastiq` command as people run it: a process, with what it printed and its exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def elastiq(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it to its end, in ``environment``; in this process's own unless told."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=os.environ if environment is None else environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
