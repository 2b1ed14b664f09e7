"""The document and the server, tried by a stranger: schemathesis sends every route what the document has, and has not.

It counts its cases, and prints them as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.web import ROOT, Site

CONFIG = ROOT / "tests" / "support" / "strangers.toml"


def test_a_stranger_gets_from_every_route_what_the_document_says(
    serve: Callable[..., Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = serve(ELASTIQ_WAIT_SECONDS="1")
    report = tmp_path / "report.json"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run"),
        *(f"{site.url}/openapi.json", "--report", "json", "--report-json-path", str(report)),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.strangers", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-10_000:] + run.stderr
    told = json.loads(report.read_text())
    cases = told["test_cases"]
    with capsys.disabled():
        counted = {**cases, "operations": told["operations"]["tested"], "seconds": round(told["running_time"], 1)}
        sys.stdout.write(json.dumps({"schemathesis": counted}) + "\n")
    assert cases["generated"] > 200
    assert not site.logged("request_broke")
