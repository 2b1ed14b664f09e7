"""The processes of one data directory, on disk: whoever starts next finds what still runs.

A process is known by its pid and its start time, so that a pid that the system gave to another is not mistaken for it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import structlog

from app.process.objects import parse

log = structlog.get_logger(__name__)

# psutil derives a start time from the system's boot time, which moves a little as the clock is set right.
_CLOCK_TOLERANCE_S = 1.0
# The last second that is a date.
_END_OF_TIME_S = 253402300799.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One process. ``launched_at`` and ``started`` are seconds since 1970; ``token`` names the launch it belongs to."""

    id: str
    kind: str
    pid: int
    started: float
    launched_at: float
    token: str = ""
    draining: bool = False

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Entry:
        """Read what `Registry` wrote.

        Raises:
            ValueError, TypeError: it is no entry.
        """
        entry = cls(**data)
        texts = entry.id, entry.kind, entry.token
        times = entry.started, entry.launched_at
        if not all(isinstance(text, str) for text in texts) or not isinstance(entry.pid, int) or entry.pid <= 0:
            raise ValueError(f"it names no process: {data}")
        if not all(isinstance(at, int | float) and 0 <= at <= _END_OF_TIME_S for at in times):
            raise ValueError(f"its times are none: {data}")
        return entry

    def process(self) -> psutil.Process | None:
        """Return the process, or None once it has ended."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _CLOCK_TOLERANCE_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class Registry:
    """A folder with one small file for each process. Each entry has one writer at a time.

    Args:
        folder: made when the first process is added.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, id: str, kind: str, pid: int, launched_at: float, token: str = "") -> Entry:
        """Record the running process ``pid``.

        Raises:
            OSError: the folder takes no file; nothing is recorded.
            psutil.NoSuchProcess: it has ended already.
        """
        entry = Entry(id, kind, pid, psutil.Process(pid).create_time(), launched_at, token)
        self._write(entry)
        return entry

    def entries(self, kind: str | None = None) -> list[Entry]:
        """Return the processes that run, oldest first; forget those that have ended."""
        running = []
        for path in self._folder.glob("*.json"):
            entry = _read(path)
            if entry is None or entry.process() is None:
                path.unlink(missing_ok=True)
            elif kind in (None, entry.kind):
                running.append(entry)
        return sorted(running, key=lambda entry: entry.launched_at)

    def mark_draining(self, entry: Entry) -> None:
        """Record that ``entry`` has been asked to leave."""
        self._write(replace(entry, draining=True))

    def _write(self, entry: Entry) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f"{entry.id}.new"
        try:
            unfinished.write_text(json.dumps(asdict(entry)))
            os.replace(unfinished, self._folder / f"{entry.id}.json")
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise


def _read(path: Path) -> Entry | None:
    try:
        return Entry.of(parse(path.read_bytes()))
    except FileNotFoundError:
        return None  # another process has just seen it end
    except (ValueError, TypeError) as err:
        # The machine went down while it was written, and the process with it.
        log.warning("registry_entry_unreadable", path=str(path), error=str(err))
        return None


def send(entries: Iterable[Entry], number: signal.Signals) -> None:
    """Send a signal to those that still run."""
    for entry in entries:
        process = entry.process()
        if process is not None:
            with suppress(psutil.NoSuchProcess):  # it ended just now, as it should
                process.send_signal(number)


def end(entries: Iterable[Entry], timeout_s: float, hurried: Callable[[float], bool]) -> None:
    """Ask processes to end (SIGTERM), and make those end, with what they started, that have not in time.

    Args:
        entries: each leads a process group of its own.
        timeout_s: how long they may take.
        hurried: waits the given number of seconds, and returns early whether they may take no longer.
    """
    left = list(entries)
    send(left, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    while (left := _running(left)) and time.monotonic() < deadline and not hurried(0.05):
        pass
    for entry in left:
        log.warning("process_killed", kind=entry.kind, id=entry.id, pid=entry.pid)
        with suppress(ProcessLookupError):
            os.killpg(entry.pid, signal.SIGKILL)
    while left := _running(left):
        time.sleep(0.02)


def _running(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.process() is not None]
