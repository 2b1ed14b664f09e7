"""The images, built once, and the services of docker/compose.yml, run from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import compose
from tests.support.compose import ROOT
from tests.support.containers import BASE, Images, Pod, pod

TARGETS = ("web", "autoscaler", "worker", "flower", "cloud")


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, Any]]:
    """What was measured; printed and kept in the end."""
    measured: dict[str, Any] = {}
    yield measured
    (ROOT / ".elastiq" / "images" / "figures.json").write_text(json.dumps(measured, indent=2) + "\n")


@pytest.fixture(scope="session")
def images(figures: dict[str, Any]) -> Iterator[Images]:
    built = Images(ROOT / ".elastiq" / "images")
    try:
        built.make_base()
        figures["build_s"] = {target: round(built.build(target), 1) for target in TARGETS}
        base = built.megabytes(BASE)
        figures["base_mb"] = base
        figures["over_base_mb"] = {target: round(built.megabytes(f"elastiq-{target}") - base, 1) for target in TARGETS}
        yield built
    finally:
        built.close()


@pytest.fixture(scope="session")
def system(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """An empty pod; the tests start the services in it, in order."""
    with pod(images, compose.services({}), tmp_path_factory.mktemp("pod")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    file: Path = ROOT / ".elastiq" / "images" / "figures.json"
    if file.exists():
        terminalreporter.write_line(file.read_text())
