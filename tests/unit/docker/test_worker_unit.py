"""The systemd unit of a worker's host: off when the worker has left, started again when it has failed."""

from __future__ import annotations

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from app import cli

UNIT = Path(__file__).parents[3] / "docker" / "aws" / "elastiq-worker.service"


@pytest.fixture
def unit() -> ConfigParser:
    parsed = ConfigParser(interpolation=None)
    parsed.read(UNIT)
    return parsed


def test_the_host_goes_off_on_success_alone_and_a_failure_is_tried_again_a_few_times(unit: ConfigParser) -> None:
    assert unit["Unit"]["SuccessAction"] == "poweroff"
    assert "FailureAction" not in unit["Unit"]
    # No other status counts as success.
    assert "SuccessExitStatus" not in unit["Service"]
    assert unit["Service"]["Restart"] == "on-failure"
    assert int(unit["Unit"]["StartLimitBurst"]) > 0


def test_it_runs_a_command_that_exists_and_a_stop_ends_within_a_spot_notice(unit: ConfigParser) -> None:
    program, command = unit["Service"]["ExecStart"].split()
    assert Path(program).name == "elastiq"
    assert command in cli.main.commands
    assert unit["Service"]["KillSignal"] == "SIGTERM"
    assert int(unit["Service"]["TimeoutStopSec"]) < 120


def test_systemd_itself_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/elastiq/bin/elastiq", shutil.which("true") or "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60
    )
    complaints = [line for line in verified.stderr.splitlines() if UNIT.name in line or "elastiq" in line]
    assert (verified.returncode, complaints) == (0, []), verified.stderr
