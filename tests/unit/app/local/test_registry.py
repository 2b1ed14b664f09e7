"""Finding the processes that an earlier process started, and ending them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.local.registry import Registry, end, send
from tests.support.waiting import wait_for

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEP
WITH_CHILD = "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);" + (
    STUBBORN.replace("'up'", "c.pid")
)

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def said(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


def never(pause_s: float) -> bool:
    time.sleep(pause_s)
    return False


def test_another_registry_on_the_folder_finds_the_process_with_all_that_was_recorded(
    tmp_path: Path, start: Start
) -> None:
    child = start(SLEEP)
    Registry(tmp_path).add("a", "instance", child.pid, launched_at=5.0, token="t")
    (entry,) = Registry(tmp_path).entries()
    assert (entry.id, entry.kind, entry.pid, entry.launched_at, entry.token) == ("a", "instance", child.pid, 5.0, "t")


def test_a_process_that_ended_is_forgotten_even_before_its_parent_collects_it(tmp_path: Path, start: Start) -> None:
    child = start("pass")
    Registry(tmp_path).add("a", "instance", child.pid, launched_at=5.0)
    said(child)
    wait_for(lambda: not Registry(tmp_path).entries(), 10)
    assert child.returncode is None
    assert list(tmp_path.iterdir()) == []


def test_a_pid_that_now_belongs_to_another_process_is_not_taken_for_ours(tmp_path: Path, start: Start) -> None:
    child = start(SLEEP)
    registry = Registry(tmp_path)
    registry.add("a", "instance", child.pid, launched_at=5.0)
    path = tmp_path / "a.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "started": facts["started"] - 100}))
    (entry_before,) = [json.loads(path.read_text())]
    assert entry_before["pid"] == child.pid
    assert registry.entries() == []
    assert child.poll() is None


def test_an_entry_cut_short_by_a_power_failure_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"id": "a", "ki')
    assert Registry(tmp_path).entries() == []
    assert list(tmp_path.iterdir()) == []


ENTRY = {"id": "a", "kind": "instance", "pid": 1, "started": 1.0, "launched_at": 1.0}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        json.dumps({**ENTRY, "pid": "1"}).encode(),
        json.dumps({**ENTRY, "pid": -1}).encode(),
        json.dumps({**ENTRY, "started": None}).encode(),
        json.dumps({**ENTRY, "launched_at": float("nan")}).encode(),
        json.dumps({**ENTRY, "launched_at": 1e300}).encode(),
        json.dumps({**ENTRY, "more": 1}).encode(),
    ],
)
def test_what_is_no_entry_is_dropped_and_keeps_none_from_being_found(tmp_path: Path, start: Start, text: bytes) -> None:
    registry = Registry(tmp_path)
    kept = registry.add("b", "instance", start(SLEEP).pid, launched_at=1.0)
    (tmp_path / "a.json").write_bytes(text)
    assert registry.entries() == [kept]
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


def test_an_entry_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, start: Start) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        Registry(tmp_path).add("a", "instance", start(SLEEP).pid, launched_at=1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_entries_of_one_kind_leave_the_others_alone(tmp_path: Path, start: Start) -> None:
    registry = Registry(tmp_path)
    registry.add("a", "instance", start(SLEEP).pid, launched_at=2.0)
    registry.add("b", "instance", start(SLEEP).pid, launched_at=1.0)
    registry.add("web", "service", start(SLEEP).pid, launched_at=0.0)
    assert [entry.id for entry in registry.entries("instance")] == ["b", "a"]
    assert [entry.id for entry in registry.entries()] == ["web", "b", "a"]


def test_an_entry_marked_as_draining_stays_so(tmp_path: Path, start: Start) -> None:
    registry = Registry(tmp_path)
    registry.mark_draining(registry.add("a", "instance", start(SLEEP).pid, launched_at=1.0))
    assert [entry.draining for entry in Registry(tmp_path).entries()] == [True]


def test_a_signal_reaches_only_what_still_runs(tmp_path: Path, start: Start) -> None:
    gone, child = start("pass"), start(SLEEP)
    registry = Registry(tmp_path)
    entries = [registry.add(name, "instance", one.pid, 1.0) for name, one in (("gone", gone), ("a", child))]
    gone.wait()
    send(entries, signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM


def test_a_process_that_ends_when_asked_is_not_killed(tmp_path: Path, start: Start) -> None:
    child = start("import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7));" + SLEEP)
    said(child)
    end([Registry(tmp_path).add("a", "instance", child.pid, 1.0)], timeout_s=10, hurried=never)
    assert child.wait(0.5) == 7


def test_a_process_that_does_not_end_in_time_is_killed_with_what_it_started(tmp_path: Path, start: Start) -> None:
    child = start(WITH_CHILD)
    grandchild = int(said(child))
    end([Registry(tmp_path).add("a", "instance", child.pid, 1.0)], timeout_s=0.3, hurried=never)
    assert child.wait(1) == -signal.SIGKILL
    wait_for(lambda: not alive(grandchild), 5)


def test_who_is_in_a_hurry_does_not_wait_for_the_timeout(tmp_path: Path, start: Start) -> None:
    child = start(STUBBORN)
    said(child)
    end([Registry(tmp_path).add("a", "instance", child.pid, 1.0)], timeout_s=1e9, hurried=lambda pause_s: True)
    assert child.wait(1) == -signal.SIGKILL


def alive(pid: int) -> bool:
    """Return whether ``pid`` runs; a zombie that nobody collects does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].strip().startswith("Z")
