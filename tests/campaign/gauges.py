"""What each process and the cloud hold, looked at every few seconds: memory, threads, descriptors, messages, queues."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from app import aws
from app.sqs.owner import OWNER, ended
from tests.campaign.system import System

EVERY_S = 3.0
# Memory in MB, threads, descriptors, queues of listeners.
Held = tuple[float, int, int, int]


@dataclass
class Sample:
    """One look.

    Attributes:
        at: seconds since 1970.
        held: what each process (name and id) and all that it started hold; an autoscaler's without its workers.
        depth: the task queue's messages: visible, in flight, delayed.
        listeners: how many queues of listeners there are.
        workers: how many there are.
    """

    at: float
    held: dict[str, Held] = field(default_factory=dict)
    depth: tuple[int, int, int] = (0, 0, 0)
    dead: int = 0
    listeners: int = 0
    workers: int = 0


class Gauges(threading.Thread):
    """Looks until it is told to stop; the cloud may be away, then its figures are those of the look before."""

    def __init__(self, system: System) -> None:
        super().__init__(name="gauges", daemon=True)
        self.samples: list[Sample] = []
        self._system, self._ended = system, threading.Event()
        self._sqs: Any = aws.client("sqs", system.settings.aws, read_timeout_s=3, attempts=1)

    def run(self) -> None:
        """Look."""
        while not self._ended.wait(EVERY_S):
            self.samples.append(self.look())

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self.join()

    def look(self) -> Sample:
        """Return how things stand."""
        sample = Sample(time.time())
        system = self._system
        sample.workers = len(system.pids("worker"))
        before = self.samples[-1] if self.samples else sample
        owners: Counter[tuple[str, str]] = Counter()
        sample.depth, sample.dead, sample.listeners = before.depth, before.dead, before.listeners
        with suppress(Exception):
            sample.depth = self.depth(system.settings.queue.name)
            sample.dead = sum(self.depth(f"{system.settings.queue.name}-dead"))
            owners = Counter(named(tag) for tag in self.listeners().values())
            sample.listeners = owners.total()
        named = system.named()
        apart = {pid for _, pid in named}
        for name, pid in named:
            with suppress(psutil.Error):
                sample.held[name] = holding(psutil.Process(pid), owners, apart)
        return sample

    def depth(self, name: str) -> tuple[int, int, int]:
        """Return a queue's counts."""
        url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        names = ("", "NotVisible", "Delayed")
        visible, in_flight, delayed = (int(found[f"ApproximateNumberOfMessages{name}"]) for name in names)
        return visible, in_flight, delayed

    def listeners(self) -> dict[str, str]:
        """Return the queues of those who listen, by name, and whose each is."""
        prefix = self._system.settings.queue.listener_prefix
        urls = self._sqs.list_queues(QueueNamePrefix=prefix, MaxResults=1000).get("QueueUrls", [])
        return {url.rsplit("/", 1)[-1]: self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {}).get(OWNER, "")
                for url in urls}  # fmt: skip

    def orphans(self) -> list[str]:
        """Return those of them whose owner has ended, or that have none."""
        return [name for name, whose in self.listeners().items() if not whose or ended(whose)]


def holding(process: psutil.Process, owners: Mapping[tuple[str, str], int], apart: Collection[int]) -> Held:
    """Return what a process and all that it started hold, but for what is looked at by itself.

    Args:
        process: the first one.
        owners: how many queues of listeners each process has.
        apart: the processes that are looked at by themselves: an autoscaler's workers.
    """
    total, waiting = (0.0, 0, 0, 0), [process]
    while waiting:
        one = waiting.pop()
        with suppress(psutil.Error, OSError), one.oneshot():
            now = (one.memory_info().rss / 1e6, one.num_threads(), one.num_fds(), owners.get(known(one.pid), 0))
            total = (total[0] + now[0], total[1] + now[1], total[2] + now[2], total[3] + now[3])
            waiting += [child for child in one.children() if child.pid not in apart]
    return total


def named(tag: str) -> tuple[str, str]:
    """Return the namespace and the number in it of the process that an owner's tag names; nothing for what is none."""
    _, _, namespace, process, *_ = (*tag.split("/"), "", "", "", "")
    return namespace, process


def known(pid: int) -> tuple[str, str]:
    """Return the same of a process of this machine."""
    status = Path(f"/proc/{pid}/status").read_text()
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:"))
    return os.readlink(f"/proc/{pid}/ns/pid").strip("pid:[]"), numbers.split()[-1]
