"""`elastiq status` for programs, and watched."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from itertools import takewhile

from tests.support.command import ROOT, elastiq


def test_status_is_objects_for_programs(environment: dict[str, str]) -> None:
    ended = elastiq("status", "--json", environment=environment)

    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0
    assert len(lines) == 5
    assert {name: lines[2][name] for name in ("what", "said", "well")} == {
        "what": f"task queue {environment['ELASTIQ_QUEUE']}",
        "said": "0 visible, 0 in flight, 0 delayed",
        "well": True,
    }


def test_watched_it_looks_again_until_it_is_interrupted(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "app.cli", "status", "--watch", "--every", "0.1"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = list(takewhile(lambda line: "launches" not in line, process.stdout))
        again = list(takewhile(lambda line: "launches" not in line, process.stdout))
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(30) == 130
    assert said[1:] == again[1:]
    assert any(environment["ELASTIQ_QUEUE"] in line for line in again)
