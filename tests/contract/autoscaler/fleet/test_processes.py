"""What is particular to instances on this machine: each is a process, and draining it is a signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.local.registry import Registry
from autoscaler.fleet.processes import KIND, LocalFleet
from tests.support.waiting import wait_for


@pytest.fixture
def data_dir(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {**environment, "ELASTIQ_POLL_SECONDS": "1"}.items():
        monkeypatch.setenv(name, value)
    return Path(environment["ELASTIQ_DATA_DIR"])


@pytest.fixture
def fleet(data_dir: Path) -> Iterator[LocalFleet]:
    fleet = LocalFleet(data_dir)
    yield fleet
    fleet.terminate([instance.id for instance in fleet.instances()])
    wait_for(lambda: not fleet.instances())


def is_ready(data_dir: Path, id: str) -> bool:
    return f"{id}@" in (log := (data_dir / "logs" / f"{id}.log").read_text()) and " ready." in log


def test_a_drained_worker_shuts_down_warmly_and_is_gone(fleet: LocalFleet, data_dir: Path) -> None:
    (instance,) = fleet.launch(1, "first")
    wait_for(lambda: is_ready(data_dir, instance.id))
    with capture_logs() as logs:
        fleet.drain([instance.id])
        wait_for(lambda: not fleet.instances())
    assert logs == []
    assert "worker_leaving" in (data_dir / "logs" / f"{instance.id}.log").read_text()


def test_an_instance_that_ends_badly_is_said_with_its_status_and_its_log(fleet: LocalFleet, data_dir: Path) -> None:
    (instance,) = fleet.launch(1, "first")
    (entry,) = Registry(data_dir / "run").entries(KIND)
    process = entry.process()
    assert process is not None
    process.send_signal(signal.SIGABRT)
    with capture_logs() as logs:
        wait_for(lambda: not fleet.instances())
        wait_for(lambda: bool(fleet.instances() or logs))
    (said,) = logs
    assert (said["event"], said["instance"], said["status"]) == ("instance_failed", instance.id, -signal.SIGABRT)
    assert Path(said["log"]).exists()


def test_the_worker_knows_its_instance(fleet: LocalFleet, data_dir: Path) -> None:
    fleet.launch(2, "first")
    for entry in Registry(data_dir / "run").entries(KIND):
        process = entry.process()
        assert process is not None
        # A process that has just been started shows an empty environment for a moment, in the middle of its exec.
        wait_for(lambda process=process: bool(process.environ()))
        assert process.environ()["ELASTIQ_INSTANCE_ID"] == entry.id
