"""Child processes: recorded before they run, ended with their parent where that is wanted, ended in order."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from app.errors import TransientError

Recorded = TypeVar("Recorded")

# A line on standard input lets the command run, as the same process. Without one, as when whoever was to write it is
# killed, standard input ends, and so does the process.
_GATE = 'read -r _ && exec "$@" < /dev/null'


def start(
    command: list[str],
    log: Path,
    record: Callable[[int], Recorded],
    environment: Mapping[str, str] | None = None,
) -> tuple[subprocess.Popen[bytes], Recorded]:
    """Start a process that becomes ``command`` only once it is recorded.

    So whatever runs is recorded, even if this process is killed at any instant of the call.

    Args:
        command: a program and its arguments.
        log: the file that its output is appended to; made, with its folder, if missing.
        record: records the process of this id.
        environment: its variables; this process's own unless given.

    Returns:
        The process, and what ``record`` returned.

    Raises:
        TransientError: it could not be started or recorded; nothing runs.
    """
    held = hold(["/bin/sh", "-c", _GATE, "sh", *command], log, environment)
    return held.process, held.let_run(record)


@dataclass(frozen=True, slots=True)
class Held:
    """A process that does nothing to others until it is let run; get it with `hold`."""

    process: subprocess.Popen[bytes]

    def let_run(self, record: Callable[[int], Recorded]) -> Recorded:
        """Record it, let it run, and return what ``record`` returned.

        Raises:
            TransientError: it could not be recorded, or has ended; nothing runs.
        """
        assert self.process.stdin is not None
        try:
            with self.process.stdin as gate:
                recorded = record(self.process.pid)
                gate.write(b"\n")
        except BaseException as err:
            self.end()
            if isinstance(err, OSError | psutil.Error):
                raise TransientError(f"a process could not be let run, or not recorded: {err}") from err
            raise
        return recorded

    def end(self) -> None:
        """End it at once, if it has not ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def hold(command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> Held:
    """Start a process that runs when it reads a line, and ends when its input does, as it does with this process.

    It leads a session of its own: a Ctrl-C at the terminal does not reach it.

    Args:
        command: a program that waits for that, and its arguments.
        log: the file that its output is appended to; made, with its folder, if missing.
        environment: its variables; this process's own unless given.

    Raises:
        TransientError: it could not be started.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            return Held(
                subprocess.Popen(
                    command,
                    bufsize=0,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )
    except OSError as err:
        raise TransientError(f"{command[-1]} could not be started: {err}") from err


def with_parent(command: list[str]) -> list[str]:
    """Return ``command`` such that it is asked to end (SIGTERM) when its parent dies, where the system can do that.

    Linux takes the thread that starts it for the parent: it must live as long as the process.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else command


def stop(process: subprocess.Popen[bytes], timeout_s: float, ask: signal.Signals = signal.SIGTERM) -> None:
    """Ask ``process`` to end, and make it end when it has not in ``timeout_s`` seconds."""
    if process.poll() is None:
        process.send_signal(ask)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
