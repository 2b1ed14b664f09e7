"""The person who deploys: real commands, in a checkout of their own, with keys of the role that a deployer has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import models
from tests.rehearsal.account import REGION
from tests.rehearsal.identities import Keys
from tests.rehearsal.watch import Watch
from tests.support.compose import ROOT

NAME = "elastiq"
_TREES = ("app", "tasks", "autoscaler", "web", "docker")


class Operator:
    """Who runs `elastiq deploy` and `elastiq destroy`.

    Args:
        folder: for the checkout, and for what the commands make.
        address: where AWS is.
        keys: what to sign with.
        watch: tells when a part of the stage has broken.

    Attributes:
        said: what each command has written, in order.
    """

    def __init__(self, folder: Path, address: str, keys: Keys, watch: Watch) -> None:
        self._watch = watch
        self._checkout, self._data = folder / "checkout", folder / "data"
        for name in _TREES:
            shutil.copytree(ROOT / name, self._checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.cfg", self._checkout)
        self._data.mkdir(parents=True)
        (ROOT / ".elastiq" / "wheels").mkdir(parents=True, exist_ok=True)
        (self._data / "wheels").symlink_to(ROOT / ".elastiq" / "wheels")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ELASTIQ_"))}
        self._environment = {
            **kept,
            **keys.environment(),
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": REGION,
            "ELASTIQ_DATA_DIR": str(self._data),
            "ELASTIQ_MODEL_DIR": str(models()),
            "PYTHONPATH": str(self._checkout),
        }
        self.said: list[str] = []

    def change(self) -> None:
        """Have another version of the software: every bundle is another."""
        file = self._checkout / "app" / "__init__.py"
        file.write_text(f"{file.read_text()}\n# Changed at {time.time()}.\n")

    def run(self, *words: str, status: int = 0, **settings: str) -> float:
        """Run an `elastiq` command, with these settings; return the seconds that it took.

        Raises:
            AssertionError: it ended with another status, or a part of the stage broke; with what was said.
        """
        began = time.monotonic()
        output = self._data / f"said-{len(self.said)}"
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", *words],
                cwd=self._checkout,
                env={**self._environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            self._watch.wait(lambda: process.poll() is not None, 600, output.read_text)
        finally:
            process.kill()
            process.wait()
        self.said.append(output.read_text())
        assert process.returncode == status, f"elastiq {' '.join(words)}: {process.returncode}\n{self.said[-1][-6000:]}"
        return time.monotonic() - began


@contextmanager
def operator(folder: Path, address: str, keys: Keys, watch: Watch) -> Iterator[Operator]:
    """Have one, whose checkout is removed with the block."""
    person = Operator(folder, address, keys, watch)
    try:
        yield person
    finally:
        shutil.rmtree(folder / "checkout", ignore_errors=True)
