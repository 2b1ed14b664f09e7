"""The systemd units of hosts: off when the worker has left, started again when something has failed, and confined."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from app import cli
from app.deploy.bundle import TIERS, UNITS

FILES = sorted(UNITS.glob("*.service"))
each_unit = pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)


def read(file: Path) -> ConfigParser:
    parsed = ConfigParser(interpolation=None, strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(file)
    return parsed


def test_each_unit_is_in_a_bundle_and_each_bundle_s_units_are_there() -> None:
    assert {file.stem for file in FILES} == {unit for tier in TIERS.values() for unit in tier.units}


def test_a_worker_s_host_goes_off_when_it_has_left_and_when_it_failed_a_few_times() -> None:
    unit = read(UNITS / "elastiq-worker.service")
    assert unit["Unit"]["SuccessAction"] == "poweroff"
    assert unit["Unit"]["StartLimitAction"] == "poweroff"
    # It would act on the first failure already.
    assert "FailureAction" not in unit["Unit"]
    # No other status counts as success.
    assert "SuccessExitStatus" not in unit["Service"]
    assert unit["Service"]["Restart"] == "on-failure"
    assert int(unit["Unit"]["StartLimitBurst"]) > 0


def test_a_worker_s_stop_is_a_drain_that_ends_within_a_spot_notice() -> None:
    service = read(UNITS / "elastiq-worker.service")["Service"]
    assert service["KillSignal"] == "SIGTERM"
    assert 20 < int(service["TimeoutStopSec"]) < 120


@pytest.mark.parametrize("name", ["web", "autoscaler", "logs"])
def test_what_a_host_has_for_good_is_started_again_for_ever(name: str) -> None:
    unit = read(UNITS / f"elastiq-{name}.service")
    assert unit["Service"]["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert "SuccessAction" not in unit["Unit"]


@each_unit
def test_it_runs_a_command_that_exists_with_a_python_that_finds_only_the_bundle(file: Path) -> None:
    command = read(file)["Service"]["ExecStart"]
    found = re.match(r"/usr/bin/python3 -P -m (app\.cli (\w+)|app\.host\.ship )", command)
    assert found
    assert found[2] is None or found[2] in cli.main.commands
    assert "PYTHONPATH=/opt/elastiq/packages" in file.read_text()


@each_unit
def test_it_stops_before_the_logs_so_that_its_last_lines_are_shipped(file: Path) -> None:
    if file.stem != "elastiq-logs":
        assert "elastiq-logs.service" in read(file)["Unit"]["After"].split()


@each_unit
def test_it_is_no_user_of_the_host_s_and_may_change_nothing(file: Path) -> None:
    service = read(file)["Service"]
    for key in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictSUIDSGID"):
        assert service[key] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""


@each_unit
def test_systemd_itself_finds_nothing_wrong_with_it(file: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    for unit in FILES:
        text = unit.read_text().replace("/usr/bin/python3", shutil.which("true") or "/bin/true")
        (tmp_path / unit.name).write_text(text)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / file.name)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    complaints = [line for line in verified.stderr.splitlines() if "elastiq" in line]
    assert (verified.returncode, complaints) == (0, []), verified.stderr
