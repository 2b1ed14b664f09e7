"""Instances on this machine: each is one worker process, which outlives the autoscaler as an EC2 instance does.

The process's end is the instance's end. A drain is SIGTERM, which a worker answers with a warm shutdown.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import structlog

from app.domain import Instance, InstanceState
from app.errors import TransientError
from app.local.process import start
from app.local.registry import Entry, Registry, send
from autoscaler.fleet.port import NoRoom

log = structlog.get_logger(__name__)

KIND = "instance"


class LocalFleet:
    """Worker processes, registered in the data directory, each with a log file of its own there.

    None runs that is not registered, so none is left out when they are counted.

    Args:
        data_dir: the registry is in its ``run`` folder, the log files are in ``logs``.
    """

    elastic = True
    spot_resting = False

    def __init__(self, data_dir: Path) -> None:
        self._registry = Registry(data_dir / "run")
        self._logs = data_dir / "logs"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def instances(self) -> list[Instance]:
        """Return the instances whose process runs."""
        with _translated("listing worker processes"):
            running = self._registry.entries(KIND)
        # After the look, so that whatever was no longer there has its status collected.
        self._reap()
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
        id = f"local-{uuid.uuid4().hex[:12]}"
        output = self._logs / f"{id}.log"
        try:
            child, entry = start(
                [sys.executable, "-m", "app.cli", "worker"],
                output,
                lambda pid: self._registry.add(id, KIND, pid, time.time(), token),
                {**os.environ, "ELASTIQ_INSTANCE_ID": id},
            )
        except TransientError:
            with suppress(OSError):
                output.unlink()  # nothing has ever run that could have written to it
            raise
        self._children[id] = child
        return entry

    def _reap(self) -> None:
        """Collect this process's own children that have ended, and say so when one ended neither well nor asked."""
        for id, child in list(self._children.items()):
            status = child.poll()
            if status is None:
                continue
            del self._children[id]
            if status not in (0, -signal.SIGTERM):
                log.warning("instance_failed", instance=id, status=status, log=str(self._logs / f"{id}.log"))


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, psutil.Error) as err:
        raise TransientError(f"{what}: {err}") from err


def _instance(entry: Entry) -> Instance:
    state = InstanceState.DRAINING if entry.draining else InstanceState.RUNNING
    return Instance(entry.id, state, datetime.fromtimestamp(entry.launched_at, UTC))
