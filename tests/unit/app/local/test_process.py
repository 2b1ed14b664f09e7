"""Processes that run only once they are recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.errors import TransientError
from app.local.process import hold, start
from app.local.registry import Entry, Registry
from tests.support.waiting import wait_for

SAY = [
    sys.executable,
    "-c",
    "import os, sys; print(os.getpid(), len(sys.stdin.read()), os.environ['WORD'], flush=True)",
]
# Kills itself while it starts a process, before or after that is recorded.
KILLED = """
import os, signal, sys
from pathlib import Path
from app.local.process import start
from app.local.registry import Registry
folder, when = Path(sys.argv[1]), sys.argv[2]
def record(pid):
    if when == "after":
        Registry(folder / "run").add("a", "instance", pid, 1.0)
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
start(["touch", str(folder / "ran")], folder / "log", record)
"""


def runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_what_is_recorded_is_the_process_that_runs(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    registry = Registry(tmp_path / "run")

    def record(pid: int) -> Entry:
        return registry.add("a", "instance", pid, 1.0)

    child, entry = start(["sleep", "60"], log, record)
    try:
        process = entry.process()
        assert process is not None
        wait_for(lambda: process.cmdline() == ["sleep", "60"])
        assert (process.pid, registry.entries()) == (child.pid, [entry])
        assert os.getsid(child.pid) == child.pid
    finally:
        child.kill()
        child.wait()


def test_the_command_has_its_environment_its_log_and_nothing_to_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    child, word = start(SAY, log, lambda pid: "recorded", {**os.environ, "WORD": "hello"})
    assert (child.wait(20), word) == (0, "recorded")
    assert log.read_text() == f"before\n{child.pid} 0 hello\n"


def test_nothing_runs_while_it_is_being_recorded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    seen: list[list[str]] = []
    child, _ = start(["echo", "ran"], log, lambda pid: seen.append(psutil.Process(pid).cmdline()[:1]))
    assert (child.wait(20), log.read_text()) == (0, "ran\n")
    assert seen != [["echo"]]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), psutil.NoSuchProcess(1)])
def test_what_cannot_be_recorded_does_not_run(tmp_path: Path, error: Exception) -> None:
    started: list[int] = []

    def fail(pid: int) -> None:
        started.append(pid)
        raise error

    with pytest.raises(TransientError, match="could not be let run, or not recorded"):
        start(["touch", str(tmp_path / "ran")], tmp_path / "log", fail)
    assert not psutil.pid_exists(started[0])
    assert not (tmp_path / "ran").exists()


def test_what_cannot_be_started_is_told_alike(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder")
    with pytest.raises(TransientError, match="could not be started"):
        start(["true"], tmp_path / "logs" / "log", lambda pid: None)


@pytest.mark.parametrize("when", ["before", "after"])
def test_if_its_parent_is_killed_before_it_may_run_it_ends_and_no_entry_stands_for_it(
    tmp_path: Path, when: str
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), when], capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    wait_for(lambda: not runs(int(killed.stdout)))
    assert Registry(tmp_path / "run").entries() == []
    assert not (tmp_path / "ran").exists()


def test_what_is_held_begins_when_it_is_let_run_and_not_before(tmp_path: Path) -> None:
    log = tmp_path / "log"
    held = hold([sys.executable, "-c", "print('held', flush=True); print(repr(input()))"], log)
    wait_for(lambda: log.read_text() == "held\n", 20)
    assert held.let_run(lambda pid: pid) == held.process.pid
    assert (held.process.wait(20), log.read_text()) == (0, "held\n''\n")


def test_what_has_ended_while_it_was_held_cannot_be_let_run(tmp_path: Path) -> None:
    held = hold(["true"], tmp_path / "log")
    held.process.wait(20)
    with pytest.raises(TransientError, match="could not be let run"):
        held.let_run(lambda pid: pid)
