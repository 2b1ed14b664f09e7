"""A long-lived child process of `elastiq up`: started, watched, started again when it ends, its log followed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from app.errors import ConfigurationError
from app.local.directory import DataDirectory
from app.local.process import start, with_parent
from app.local.registry import Entry
from app.process.objects import parse

# What a person at the terminal wants to see, besides every warning.
EVENTS = {"scaled_out", "drain_asked", "instance_gone"}
_LEVELS = {"warning": logging.WARNING, "error": logging.ERROR, "critical": logging.CRITICAL}
# Of a record's fields: what is said of it otherwise, what only the file has, and the names that a logger has a use for.
_NOT_REPEATED = {"event", "level", "logger", "timestamp", "exception", "self", "exc_info", "stack_info", "stack"}
_LONGEST_LOG = 5_000_000
# A longer line is for who reads the file, and so much of its end is told when the process has ended; in bytes.
_LONGEST_LINE, _END = 100_000, 20_000


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
        name: of the `elastiq` command that it runs: ``web``, ``autoscaler`` or ``flower``.
        directory: where its log and its entry in the registry are.
        environment: variables beside this process's own.
    """

    def __init__(self, name: str, directory: DataDirectory, environment: Mapping[str, str] | None = None) -> None:
        self.name, self._environment = name, environment or {}
        self._log = LogFile(directory.logs / f"{name}.log")
        self._registry = directory.registry
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = Restarts()
        self._say = structlog.get_logger(name)

    def start(self) -> None:
        """Start it, in a session of its own: a Ctrl-C at the terminal is ours to pass on. It ends when we die.

        Raises:
            TransientError: it cannot be started now.
        """
        self._process, _ = start(
            with_parent([sys.executable, "-m", "app.cli", self.name]),
            self._log.path,
            lambda pid: self._registry.add(self.name, "service", pid, time.time()),
            {**os.environ, **self._environment, "ELASTIQ_LOG_FORMAT": "json"},
        )

    def watch(self) -> None:
        """Repeat the important lines of its log, and start it again if it has ended.

        Raises:
            ConfigurationError: it ended too often; the message has the end of its log.
            TransientError: it has ended, and cannot be started now.
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
        """Collect its process, which has ended, and repeat the last of its log."""
        if self._process is not None:
            self._process.wait()
            self._process = None
            for record in self._log.news():
                self._repeat(record)

    def _repeat(self, record: dict[str, Any]) -> None:
        found = of_note(record)
        if found:
            level, event, fields = found
            self._say.log(level, event, **fields)


def of_note(record: Mapping[str, Any]) -> tuple[int, str, dict[str, Any]] | None:
    """Return the level, the event and the fields of a record that a person wants to see, and None of any other.

    Args:
        record: any JSON object; what is returned can be logged, whatever it holds.
    """
    event, level = record.get("event"), record.get("level")
    number = _LEVELS.get(level, logging.INFO) if isinstance(level, str) else logging.INFO
    if not isinstance(event, str) or (event not in EVENTS and number == logging.INFO):
        return None
    fields = {name: value for name, value in record.items() if name not in _NOT_REPEATED and _is_short(name, value)}
    return number, event if event.isprintable() else repr(event), fields


def _is_short(name: str, value: object) -> bool:
    """Return whether a field is one of ours: a value, or a list of values."""
    values = value if isinstance(value, list) else [value]
    return not name.startswith("_") and not any(isinstance(one, list | dict) for one in values)


class LogFile:
    """A log of JSON lines that another process appends to; a long one is put aside first."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LONGEST_LOG:
            path.replace(path.with_suffix(".log.old"))
        path.touch()
        self.path = path
        self._read = path.stat().st_size
        # Whether what was read last is a part of a line that is too long.
        self._amid = False

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield the records that are new since the last call.

        Whatever else is in it, such as tracebacks, is for who reads the file.
        """
        for line in self._new_lines():
            with suppress(ValueError):  # it is no record
                yield parse(line)

    def end(self, lines: int = 10) -> str:
        """Return its last lines."""
        with suppress(OSError), self.path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _END))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        return ""

    def _new_lines(self) -> Iterator[bytes]:
        """Yield the lines that have come to their end, but those that are too long."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < self._read:  # somebody emptied it
                self._read, self._amid = 0, False
            file.seek(self._read)
            while line := file.readline(_LONGEST_LINE):
                whole = line.endswith(b"\n")
                if not whole and len(line) < _LONGEST_LINE:
                    return  # it is still being written
                self._read += len(line)
                if whole and not self._amid:
                    yield line
                self._amid = not whole
