"""`elastiq autoscaler` and `elastiq worker` as processes, what they log, and the work that they are given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from app.local.registry import Entry, Registry
from app.settings import Settings
from app.storage import Storage
from autoscaler.fleet import Fleet
from tests.support.photographs import chelsea
from tests.support.records import records
from tests.support.waiting import wait_for

TIMEOUT_S = 60
PUBLISH = "import sys; from tasks import bulk, classify\nwith bulk():\n [classify.delay(key) for key in sys.argv[1:]]"


@contextmanager
def autoscaler(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run one that looks five times a second; its log has one JSON object a line. Its instances live on."""
    quick = {"ELASTIQ_POLL_SECONDS": "1", "ELASTIQ_OBSERVE_SECONDS": "0.2", **environment}
    with _running("autoscaler", quick, log) as process:
        yield process


@contextmanager
def worker(environment: dict[str, str], instance: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run one as if on an instance."""
    with _running("worker", {"ELASTIQ_POLL_SECONDS": "1", **environment, "ELASTIQ_INSTANCE_ID": instance}, log) as ran:
        yield ran


@contextmanager
def _running(command: str, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", command], env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_event(log: Path, name: str, count: int = 1) -> list[dict[str, object]]:
    """Wait until a log has so many records of an event, and return them."""
    wait_for(lambda: len(records(log, name)) >= count, what=log.read_text)
    return records(log, name)


def wait_for_instances(registry: Registry, count: int) -> list[Entry]:
    """Wait until there are so many instances on this machine, and return them."""
    wait_for(lambda: len(registry.entries("instance")) == count, what=lambda: registry.entries("instance"))
    return registry.entries("instance")


def end_instances(registry: Registry) -> None:
    """Kill the instances on this machine, and wait until they are gone."""
    for entry in registry.entries("instance"):
        process = entry.process()
        if process is not None:
            process.kill()
    wait_for_instances(registry, 0)


def collect(fleet: Fleet, *pids: int) -> None:
    """Wait until a fleet of this process has collected its children that have ended.

    A process is no longer listed as soon as its first thread has ended; its status comes with the last one.
    """
    wait_for(lambda: not fleet.instances() and not any(map(psutil.pid_exists, pids)))


def submit(environment: dict[str, str], count: int, batch: str = "batch") -> None:
    """Hand in photographs as any client does."""
    storage = Storage(Settings.from_environment(environment))
    keys = [f"{batch}/{n}.png" for n in range(count)]
    for key in keys:
        storage.put_image(key, chelsea(), "image/png")
    subprocess.run([sys.executable, "-c", PUBLISH, *keys], env=environment, check=True, timeout=TIMEOUT_S)
