"""The program by itself, as `apart` runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from app.images.apart import MAIN, _packages, limits_of
from tests.support.stills import quarters, still


def run(image: bytes, **orders: Any) -> tuple[dict[str, Any], bytes]:
    limits = limits_of(10_000)
    usual = {"packages": _packages(), "pixels": 10_000, "shrunk": 1, "cpu_s": limits.cpu_s, "memory": limits.memory}
    command = [sys.executable, "-I", "-S", str(MAIN), json.dumps(usual | orders)]
    done = subprocess.run(command, input=image, capture_output=True, check=True, env={})
    assert done.stderr == b""
    head, _, pixels = done.stdout.partition(b"\n")
    return json.loads(head), pixels


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_it_answers_with_a_line_and_the_pixels(format: str) -> None:
    head, pixels = run(still(quarters((90, 60)), format), format=format, shrunk=2)

    assert head == {"mode": "RGB", "size": [45, 30], "whole": [90, 60], "shrunk": 2}
    assert len(pixels) == 45 * 30 * 3
    assert pixels[0] > 200 > 50 > pixels[1]


def test_it_says_why_it_can_not() -> None:
    head, pixels = run(b"no image", format="HEIF")

    assert list(head) == ["why"]
    assert head["why"]
    assert pixels == b""


def test_it_imports_nothing_of_ours() -> None:
    assert "app." not in MAIN.read_text()
