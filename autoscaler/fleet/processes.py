"""Instances on this machine: each is one worker process, which outlives the autoscaler as an EC2 instance does.

The process's end is the instance's end. A drain is SIGTERM, which a worker answers with a warm shutdown. While there is
no instance, a process is held that has imported what a worker does, so that the first comes at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
import weakref
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import structlog

from app.domain import Instance, InstanceState
from app.errors import TransientError
from app.local.process import Held, hold
from app.local.registry import Entry, Registry, send
from autoscaler.fleet.port import NoRoom

log = structlog.get_logger(__name__)

KIND = "instance"
# A process counts as ended with its first thread; its other threads end within so many seconds.
LAST_THREADS_S = 1.0


class LocalFleet:
    """Worker processes, registered in the data directory, each with a log file of its own there.

    None runs that is not registered, so none is left out when they are counted: what is held is let run only once it
    is, and ends with this process.

    Args:
        data_dir: the registry is in its ``run`` folder, the log files are in ``logs``.
    """

    elastic = True
    spot_resting = False

    def __init__(self, data_dir: Path) -> None:
        self._registry = Registry(data_dir / "run")
        self._logs = data_dir / "logs"
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._held: tuple[_Held, weakref.finalize[[], LocalFleet]] | None = None
        # One that ends while it is held is not replaced before an instance has come.
        self._may_hold = True

    def instances(self) -> list[Instance]:
        """Return the instances whose process runs."""
        with _translated("listing worker processes"):
            running = self._registry.entries(KIND)
        # After the look, so that whatever was no longer there has its status collected.
        self._reap({entry.id for entry in running})
        if not running and self._may_hold:
            self._hold_one()
        return [_instance(entry) for entry in running]

    def launch(self, count: int, token: str) -> list[Instance]:
        """Start worker processes; those of the same ``token`` that run already count toward ``count``."""
        with _translated("listing worker processes"):
            came = [entry for entry in self._registry.entries(KIND) if entry.token == token]
        try:
            while len(came) < count:
                came.append(self._start(token))
        except TransientError as err:
            if not came:
                raise NoRoom(f"this machine has no room: {err}") from err
            log.warning("launch_cut_short", wanted=count, came=len(came), error=str(err))
        return [_instance(entry) for entry in came]

    def drain(self, ids: Iterable[str]) -> None:
        """Send SIGTERM, and again to one that is asked again.

        A worker takes a second one as an order to hurry. So none is sent that may be the second by chance: it is
        recorded first, and one that this process is killed before it could send is made up for by the next reminder.
        """
        wanted = set(ids)
        with _translated("asking worker processes to leave"):
            for entry in self._registry.entries(KIND):
                if entry.id in wanted:
                    self._registry.mark_draining(entry)
                    send([entry], signal.SIGTERM)

    def terminate(self, ids: Iterable[str]) -> None:
        """Send SIGKILL."""
        wanted = set(ids)
        with _translated("ending worker processes"):
            send((entry for entry in self._registry.entries(KIND) if entry.id in wanted), signal.SIGKILL)

    def _start(self, token: str) -> Entry:
        held = self._taken() or _Held.made(self._logs)
        try:
            entry = held.process.let_run(lambda pid: self._registry.add(held.id, KIND, pid, time.time(), token))
        except TransientError:
            held.end()
            raise
        self._children[held.id] = held.process.process
        self._may_hold = True
        return entry

    def _hold_one(self) -> None:
        self._may_hold = False
        try:
            held = _Held.made(self._logs)
            self._held = held, weakref.finalize(self, held.end)
        except TransientError as err:
            log.warning("none_held", reason=str(err))

    def _taken(self) -> _Held | None:
        """Return the process that is held, if it still is."""
        if self._held is None:
            return None
        (held, end), self._held = self._held, None
        if held.ended():
            end()
            return None
        end.detach()
        return held

    def _reap(self, running: Set[str]) -> None:
        """Collect this process's own children that do not run, and say so when one ended neither well nor asked."""
        for id, child in list(self._children.items()):
            if id in running:
                continue
            try:
                status = child.wait(LAST_THREADS_S)
            except subprocess.TimeoutExpired:
                continue
            del self._children[id]
            if status not in (0, -signal.SIGTERM):
                log.warning("instance_failed", instance=id, status=status, log=str(self._logs / f"{id}.log"))


@dataclass(frozen=True, slots=True)
class _Held:
    """An instance to be; it ends with whoever holds it."""

    id: str
    process: Held
    log: Path

    @classmethod
    def made(cls, logs: Path) -> _Held:
        """Start one.

        Raises:
            TransientError: it could not be started.
        """
        id = f"local-{uuid.uuid4().hex[:12]}"
        command, log = [sys.executable, "-m", "app.cli", "worker", "--held"], logs / f"{id}.log"
        try:
            return cls(id, hold(command, log, {**os.environ, "ELASTIQ_INSTANCE_ID": id}), log)
        except TransientError:
            _remove(log)
            raise

    def ended(self) -> bool:
        """Return whether it has ended."""
        return self.process.process.poll() is not None

    def end(self) -> None:
        """End it, and leave no log, as nothing has ever run that could have written to it."""
        self.process.end()
        _remove(self.log)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, psutil.Error) as err:
        raise TransientError(f"{what}: {err}") from err


def _remove(log: Path) -> None:
    with suppress(OSError):
        log.unlink()


def _instance(entry: Entry) -> Instance:
    state = InstanceState.DRAINING if entry.draining else InstanceState.RUNNING
    return Instance(entry.id, state, datetime.fromtimestamp(entry.launched_at, UTC))
