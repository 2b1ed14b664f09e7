"""What is particular to instances on this machine: each is a process, and draining it is a signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from app.domain import InstanceState
from app.errors import TransientError
from app.local.registry import Registry
from autoscaler.fleet.port import NoRoom
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


def held(data_dir: Path) -> list[int]:
    """The processes that are about to be workers and are none: what runs, but for what is registered."""
    wait_for(lambda: running(data_dir))
    return sorted({*running(data_dir)} - {entry.pid for entry in Registry(data_dir / "run").entries(KIND)})


def test_while_there_is_no_instance_one_process_is_held_and_becomes_the_next(fleet: LocalFleet, data_dir: Path) -> None:
    assert fleet.instances() == fleet.instances() == []
    (waits,) = held(data_dir)
    first, _ = fleet.launch(2, "first")
    assert [entry.pid for entry in Registry(data_dir / "run").entries(KIND) if entry.id == first.id] == [waits]
    assert len(fleet.instances()) == 2
    assert held(data_dir) == []
    wait_for(lambda: is_ready(data_dir, first.id))


def test_what_is_held_ends_with_the_fleet_and_leaves_nothing(data_dir: Path) -> None:
    fleet = LocalFleet(data_dir)
    fleet.instances()
    assert len(held(data_dir)) == 1
    del fleet
    assert running(data_dir) == []
    assert list((data_dir / "logs").iterdir()) == []


def test_what_was_held_and_was_killed_is_launched_anew_and_not_held_again(fleet: LocalFleet, data_dir: Path) -> None:
    fleet.instances()
    (waits,) = held(data_dir)
    psutil.Process(waits).kill()
    wait_for(lambda: running(data_dir) == [])
    assert fleet.instances() == []
    assert running(data_dir) == []
    (instance,) = fleet.launch(1, "first")
    assert [path.stem for path in (data_dir / "logs").iterdir()] == [instance.id]


def running(data_dir: Path) -> list[int]:
    """The worker processes of this data directory, by what they inherit and not by what is registered of them."""
    found = []
    for process in psutil.process_iter(["environ", "status"]):
        environ, status = process.info["environ"] or {}, process.info["status"]
        mine = environ.get("ELASTIQ_DATA_DIR") == str(data_dir) and "ELASTIQ_INSTANCE_ID" in environ
        if mine and status != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def test_a_worker_that_cannot_be_registered_does_not_run(fleet: LocalFleet, data_dir: Path) -> None:
    data_dir.mkdir(exist_ok=True)
    # As if the disk were full: no file can be made in it.
    (data_dir / "run").write_text("no folder")
    with pytest.raises(NoRoom, match=r"this machine has no room: .*not recorded"):
        fleet.launch(2, "first")
    assert running(data_dir) == []
    assert list((data_dir / "logs").iterdir()) == []
    (data_dir / "run").unlink()
    fleet.launch(1, "first")
    assert len(running(data_dir)) == 1


def test_a_drain_that_cannot_be_recorded_is_an_error_and_comes_to_pass_when_it_is_asked_again(
    fleet: LocalFleet, data_dir: Path
) -> None:
    (instance,) = fleet.launch(1, "first")
    wait_for(lambda: is_ready(data_dir, instance.id))
    blocked = data_dir / "run" / f"{instance.id}.new"
    blocked.mkdir()
    with pytest.raises(TransientError, match="asking worker processes to leave"):
        fleet.drain([instance.id])
    assert [one.state for one in fleet.instances()] == [InstanceState.RUNNING]
    blocked.rmdir()
    fleet.drain([instance.id])
    wait_for(lambda: not fleet.instances())


def test_a_worker_that_was_marked_and_never_signalled_leaves_when_it_is_asked_again(
    fleet: LocalFleet, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTIQ_IDLE_SECONDS", "0")
    (instance,) = fleet.launch(1, "first")
    wait_for(lambda: is_ready(data_dir, instance.id))
    # As if the autoscaler had been killed between the two.
    registry = Registry(data_dir / "run")
    registry.mark_draining(*registry.entries(KIND))
    fleet.drain([instance.id])
    wait_for(lambda: not fleet.instances())
