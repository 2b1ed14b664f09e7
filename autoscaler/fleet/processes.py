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
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from app.domain import Instance, InstanceState
from app.local.registry import Entry, Registry, send
from autoscaler.fleet.port import NoRoom

log = structlog.get_logger(__name__)

KIND = "instance"


class LocalFleet:
    """Worker processes, registered in the data directory, each with a log file of its own there.

    Args:
        data_dir: the registry is in its ``run`` folder, the log files are in ``logs``.
    """

    elastic = True

    def __init__(self, data_dir: Path) -> None:
        self._registry = Registry(data_dir / "run")
        self._logs = data_dir / "logs"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def instances(self) -> list[Instance]:
        """Return the instances whose process runs."""
        running = self._registry.entries(KIND)
        # After the look, so that whatever was no longer there has its status collected.
        self._reap()
        return [_instance(entry) for entry in running]

    def launch(self, count: int, token: str) -> list[Instance]:
        """Start worker processes; those of the same ``token`` that run already count toward ``count``."""
        came = [entry for entry in self._registry.entries(KIND) if entry.token == token]
        try:
            while len(came) < count:
                came.append(self._start(token))
        except OSError as err:
            if not came:
                raise NoRoom(f"this machine could not start a worker process: {err}") from err
            log.warning("launch_cut_short", wanted=count, came=len(came), error=str(err))
        return [_instance(entry) for entry in came]

    def drain(self, ids: Iterable[str]) -> None:
        """Send SIGTERM, once: a worker takes a second one as an order to hurry."""
        wanted = set(ids)
        for entry in self._registry.entries(KIND):
            if entry.id in wanted and not entry.draining:
                self._registry.mark_draining(entry)
                send([entry], signal.SIGTERM)

    def terminate(self, ids: Iterable[str]) -> None:
        """Send SIGKILL."""
        wanted = set(ids)
        send((entry for entry in self._registry.entries(KIND) if entry.id in wanted), signal.SIGKILL)

    def _start(self, token: str) -> Entry:
        id = f"local-{uuid.uuid4().hex[:12]}"
        self._logs.mkdir(parents=True, exist_ok=True)
        with (self._logs / f"{id}.log").open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "worker"],
                env={**os.environ, "ELASTIQ_INSTANCE_ID": id},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._children[id] = child
        return self._registry.add(id, KIND, child.pid, time.time(), token)

    def _reap(self) -> None:
        """Collect this process's own children that have ended, and say so when one ended neither well nor asked."""
        for id, child in list(self._children.items()):
            status = child.poll()
            if status is None:
                continue
            del self._children[id]
            if status not in (0, -signal.SIGTERM):
                log.warning("instance_failed", instance=id, status=status, log=str(self._logs / f"{id}.log"))


def _instance(entry: Entry) -> Instance:
    state = InstanceState.DRAINING if entry.draining else InstanceState.RUNNING
    return Instance(entry.id, state, datetime.fromtimestamp(entry.launched_at, UTC))
