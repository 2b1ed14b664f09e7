"""`elastiq autoscaler` as a process of its own, on this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.account.provision import provision
from app.local.registry import Registry
from app.settings import Settings
from tests.support.autoscaler import (
    TIMEOUT_S,
    autoscaler,
    submit,
    wait_for_event,
    wait_for_instances,
)
from tests.support.records import records


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "autoscaler.log"


def test_sigterm_ends_it_cleanly(environment: dict[str, str], log: Path) -> None:
    with autoscaler(environment, log) as process:
        wait_for_event(log, "autoscaler_started")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert records(log, "autoscaler_stopped")


def test_a_policy_that_does_not_exist_ends_it_with_the_names_of_those_that_do(environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", "autoscaler"],
        env={**environment, "ELASTIQ_POLICY": "sede"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert ended.returncode == 2
    assert "ELASTIQ_POLICY='sede' must be one of: " in ended.stderr
    assert "seed" in ended.stderr


def test_a_queue_that_is_not_there_yet_is_said_once_and_waited_for(environment: dict[str, str], log: Path) -> None:
    missing = {**environment, "ELASTIQ_QUEUE": environment["ELASTIQ_QUEUE"] + "-later", "ELASTIQ_MAX_INSTANCES": "1"}
    with autoscaler(missing, log) as process:
        (failure,) = wait_for_event(log, "step_failed")
        assert "elastiq provision" in str(failure["reason"])
        time.sleep(1)
        assert len(records(log, "step_failed")) == 1
        assert process.poll() is None
        provision(Settings.from_environment(missing))
        submit(missing, 1)
        wait_for_event(log, "scaled_out")


def test_its_instances_outlive_it_and_the_next_one_counts_them(
    environment: dict[str, str], log: Path, registry: Registry
) -> None:
    lasting = {**environment, "ELASTIQ_IDLE_SECONDS": "0", "ELASTIQ_MAX_INSTANCES": "2", "ELASTIQ_POLICY": "seed"}
    submit(lasting, 3)
    with autoscaler(lasting, log) as process:
        before = wait_for_instances(registry, 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with autoscaler(lasting, log):
        wait_for_event(log, "autoscaler_started", count=2)
        time.sleep(1)
        assert [entry.id for entry in registry.entries("instance")] == [entry.id for entry in before]


def test_a_worker_that_cannot_start_is_said_with_its_log_and_not_started_without_end(
    environment: dict[str, str], log: Path, registry: Registry, tmp_path: Path
) -> None:
    broken = {**environment, "ELASTIQ_MODEL_DIR": str(tmp_path / "none"), "ELASTIQ_MAX_INSTANCES": "1"}
    submit(broken, 1)
    with autoscaler(broken, log):
        failed = wait_for_event(log, "instance_failed")[0]
        held = wait_for_event(log, "held")[0]
    assert "python -m tasks.engine build" in Path(str(failed["log"])).read_text()
    assert "ended before they could work" in str(held["reason"])
