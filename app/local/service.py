"""A long-lived child process of `elastiq up`: started, watched, started again when it ends, its log followed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from app.errors import ConfigurationError
from app.local.directory import DataDirectory
from app.local.process import with_parent
from app.local.registry import Entry

# What a person at the terminal wants to see, besides every warning.
EVENTS = {"scaled_out", "drain_asked", "instance_gone"}
_LEVELS = {"warning": 30, "error": 40, "critical": 50}
_LONGEST_LOG = 5_000_000


class Restarts:
    """Counts how often a part ended unasked: what ends too often will not do better the next time."""

    PER_MINUTE = 3

    def __init__(self) -> None:
        self._ended: list[float] = []

    def one_more(self, what: str, why: str) -> None:
        """Count one end.

        Raises:
            ConfigurationError: it is one too many; the message gives ``what`` ended and ``why``.
        """
        now = time.monotonic()
        self._ended = [at for at in self._ended if now - at < 60] + [now]
        if len(self._ended) > self.PER_MINUTE:
            raise ConfigurationError(f"{what} ended {len(self._ended)} times within a minute; {why}")


class Service:
    """One child process, with its log in a file.

    Args:
        name: of the `elastiq` command that it runs: ``web`` or ``autoscaler``.
        directory: where its log and its entry in the registry are.
    """

    def __init__(self, name: str, directory: DataDirectory) -> None:
        self.name = name
        self._log = LogFile(directory.logs / f"{name}.log")
        self._registry = directory.registry
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = Restarts()
        self._say = structlog.get_logger(name)

    def start(self) -> None:
        """Start it, in a session of its own: a Ctrl-C at the terminal is ours to pass on. It ends when we die."""
        with self._log.path.open("ab") as output:
            self._process = subprocess.Popen(
                with_parent([sys.executable, "-m", "app.cli", self.name]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "ELASTIQ_LOG_FORMAT": "json"},
            )
        self._registry.add(self.name, "service", self._process.pid, time.time())

    def watch(self) -> None:
        """Repeat the important lines of its log, and start it again if it has ended.

        Raises:
            ConfigurationError: it ended too often; the message has the end of its log.
        """
        for record in self._log.news():
            self._repeat(record)
        status = self._process.poll() if self._process else None
        if self._process and status is not None:
            with suppress(ProcessLookupError):  # what it started must not hold its port
                os.killpg(self._process.pid, signal.SIGKILL)
            self._restarts.one_more(self.name, f"the last time with status {status}; {self.end_of_log()}")
            self._say.error("ended_unasked", status=status, log=str(self._log.path), now="it is started again")
            self.start()

    def end_of_log(self) -> str:
        """Return the last lines of its log, and where it is."""
        return f"the end of {self._log.path}:\n{self._log.end()}"

    def entries(self) -> list[Entry]:
        """Return what the registry has of it: one entry, or none when it does not run."""
        return [entry for entry in self._registry.entries("service") if entry.id == self.name]

    def reap(self) -> None:
        """Collect its process, which has ended, and say the last of its log."""
        if self._process is not None:
            self._process.wait()
            self._process = None
            for record in self._log.news():
                self._repeat(record)

    def _repeat(self, record: dict[str, Any]) -> None:
        event, level = record.pop("event", ""), record.pop("level", "info")
        if event in EVENTS or level in _LEVELS:
            fields = {name: value for name, value in record.items() if name not in ("logger", "timestamp", "exception")}
            self._say.log(_LEVELS.get(level, 20), event, **fields)


class LogFile:
    """A log of JSON lines that another process appends to; a long one is put aside first."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LONGEST_LOG:
            path.replace(path.with_suffix(".log.old"))
        path.touch()
        self.path = path
        self._read = path.stat().st_size

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield the records that are new since the last call."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # it is still being written
                self._read += len(line)
                if line.startswith(b"{"):  # the rest, such as tracebacks, is for who reads the file
                    yield json.loads(line)

    def end(self, lines: int = 10) -> str:
        """Return its last lines."""
        return "\n".join(self.path.read_text(errors="replace").splitlines()[-lines:])
