"""The faults: each begins, lasts for some seconds, and ends; `tests.campaign.plan` says which comes when."""

from __future__ import annotations

import base64
import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from app import aws
from tests.campaign.system import KINDS, System
from tests.campaign.weather import EVERY, S3, SNS, SQS, Rule

HOUR_S, SLEEP_S = 3600.0, 2400.0

# What a call meets where the cloud is away meanwhile, by another fault.
UNREACHABLE = BotoCoreError, ClientError

Hold = Callable[[System, random.Random], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """One kind of trouble.

    Attributes:
        name: what it is called in the report.
        lasts_s: the least and the most seconds of it.
        hold: a context in which it holds.
        alone: whether it never comes with another.
    """

    name: str
    lasts_s: tuple[float, float]
    hold: Hold
    alone: bool = False


# -- the processes


def _kill(kind: str) -> Fault:
    @contextmanager
    def hold(system: System, chance: random.Random) -> Iterator[None]:
        pids = system.pids(kind)
        system.signal(kind, signal.SIGKILL, chance.sample(pids, min(len(pids), 2 if kind == "worker" else 1)))
        yield

    return Fault(f"{kind} killed", (5, 15), hold)


def _freeze(kind: str, lasts_s: tuple[float, float] = (10, 40)) -> Fault:
    @contextmanager
    def hold(system: System, chance: random.Random) -> Iterator[None]:
        pids = system.pids(kind)
        frozen = chance.sample(pids, min(len(pids), 2 if kind == "worker" else 1))
        system.signal(kind, signal.SIGSTOP, frozen)
        try:
            yield
        finally:
            system.signal(kind, signal.SIGCONT, frozen)

    return Fault(f"{kind} frozen", lasts_s, hold)


@contextmanager
def _notices(system: System, chance: random.Random) -> Iterator[None]:
    """Every worker is told to leave, as by a swarm of spot notices."""
    system.signal("worker", signal.SIGTERM, system.pids("worker"))
    yield


@contextmanager
def _roll_out(system: System, chance: random.Random) -> Iterator[None]:
    system.roll_out()
    yield


def _limited(kind: int, most: Callable[[psutil.Process], int]) -> Hold:
    """Every process may have no more than ``most`` says of what it is."""

    @contextmanager
    def hold(system: System, chance: random.Random) -> Iterator[None]:
        before: list[tuple[psutil.Process, tuple[int, int]]] = []
        for pid in [pid for kind_ in ("web", "worker", "autoscaler") for pid in system.pids(kind_)]:
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                limits = process.rlimit(kind)
                process.rlimit(kind, (most(process), limits[1]))
                before.append((process, limits))
        try:
            yield
        finally:
            for process, limits in before:
                with suppress(psutil.Error):
                    process.rlimit(kind, limits)

    return hold


def _files(process: psutil.Process) -> int:
    """Two more files than it has: it is out of them with the third."""
    return int(process.num_fds()) + 2


def _memory(process: psutil.Process) -> int:
    """Less room than a thread's stack of 8 MB needs."""
    return int(process.memory_info().vms) + 6 * 1024 * 1024


def _clock(seconds: float) -> Hold:
    """A host's clock is wrong, and then set right."""

    @contextmanager
    def hold(system: System, chance: random.Random) -> Iterator[None]:
        host = chance.choice([part.name for part in system.parts])
        system.clocks.step(host, seconds)
        try:
            yield
        finally:
            system.clocks.step(host, -seconds)

    return hold


@contextmanager
def _asleep(system: System, chance: random.Random) -> Iterator[None]:
    """Everything stops, cloud and all, and goes on 40 minutes later by its clocks."""
    pids = [(kind, system.pids(kind)) for kind in KINDS]
    for kind, those in pids:
        system.signal(kind, signal.SIGSTOP, those)
    try:
        yield
    finally:
        system.clocks.sleep(SLEEP_S)
        for kind, those in pids:
            system.signal(kind, signal.SIGCONT, those)


# -- the cloud


def _cloud_again(name: str, *, without_queues: bool) -> Fault:
    @contextmanager
    def hold(system: System, chance: random.Random) -> Iterator[None]:
        system.restart_cloud(without_queues=without_queues)
        yield

    return Fault(name, (5, 10), hold, alone=True)


def _calls(name: str, *rules: Rule, lasts_s: tuple[float, float] = (10, 30)) -> Fault:
    @contextmanager
    def hold(system: System, chance: random.Random) -> Iterator[None]:
        with system.weather.while_it_is(*rules):
            yield

    return Fault(name, lasts_s, hold)


# -- the messages


@contextmanager
def _twice(system: System, chance: random.Random) -> Iterator[None]:
    """What waits in the queue is there twice."""
    with suppress(*UNREACHABLE):
        sqs, url = _queue(system)
        for _ in range(10):
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1)
            for message in answer.get("Messages", []):
                sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
    yield


@contextmanager
def _strange(system: System, chance: random.Random) -> Iterator[None]:
    """Messages that no worker can read, that name no task of ours, or that another language wrote."""
    unknown = {"headers": {"task": "orders.charge", "id": "1", "lang": "js"}, "body": "W10=", "content-type":
               "application/json", "content-encoding": "utf-8", "properties": {"body_encoding": "base64",
               "correlation_id": "1", "delivery_mode": 2, "delivery_tag": "1", "delivery_info": {"exchange": "",
               "routing_key": "x"}}}  # fmt: skip
    bodies = ["<order/>", "{", " ", base64.b64encode(b"\xff\xfe").decode(), json.dumps(unknown), json.dumps([1, 2])]
    with suppress(*UNREACHABLE):
        sqs, url = _queue(system)
        for body in bodies:
            sqs.send_message(QueueUrl=url, MessageBody=body)
    yield


@contextmanager
def _purged(system: System, chance: random.Random) -> Iterator[None]:
    with suppress(*UNREACHABLE):
        sqs, url = _queue(system)
        sqs.purge_queue(QueueUrl=url)
    yield


def _queue(system: System) -> tuple[Any, str]:
    """Return what calls SQS, and the queue; a cloud that is frozen is not waited for, or it would be so for minutes."""
    sqs = aws.client("sqs", system.settings.aws, read_timeout_s=3, attempts=1)
    return sqs, str(sqs.get_queue_url(QueueName=system.settings.queue.name)["QueueUrl"])


FAULTS: tuple[Fault, ...] = (
    *(_kill(kind) for kind in ("web", "worker", "autoscaler", "flower")),
    *(_freeze(kind) for kind in ("web", "worker", "autoscaler", "flower")),
    _freeze("cloud", (5, 20)),
    Fault("every worker told to leave", (5, 10), _notices),
    Fault("a new version rolled out", (5, 10), _roll_out, alone=True),
    Fault("no file descriptor left", (10, 20), _limited(psutil.RLIMIT_NOFILE, _files)),
    Fault("no memory for another thread", (10, 20), _limited(psutil.RLIMIT_AS, _memory)),
    Fault("a host's clock an hour ahead", (15, 30), _clock(HOUR_S)),
    Fault("a host's clock an hour behind", (15, 30), _clock(-HOUR_S)),
    Fault("everything asleep for 40 minutes", (3, 6), _asleep, alone=True),
    _cloud_again("cloud restarted", without_queues=False),
    _cloud_again("cloud restarted without its queues", without_queues=True),
    _calls("cloud slow", Rule(EVERY, "slow", 0.5)),
    _calls("every call answered 500", Rule(EVERY, "500")),
    _calls("every call throttled", Rule(EVERY, "503")),
    _calls("every call refused", Rule(EVERY, "403")),
    _calls("every token expired", Rule(EVERY, "expired")),
    _calls("half of all calls cut", Rule(EVERY, "cut", 0.5)),
    _calls("a third of all calls done, and their answers lost", Rule((*SQS, *SNS), "lost", 0.3)),
    _calls("uploads done, and their answers lost", Rule(("PutObject",), "lost", 0.5)),
    _calls("calls doubled", Rule((*SQS, *SNS), "doubled", 0.5)),
    _calls(
        "sends done, and answered too late", Rule(("SendMessage", "SendMessageBatch"), "late", 0.3), lasts_s=(40, 50)
    ),
    _calls("cloud out of disk", Rule(("PutObject",), "500")),
    _calls(
        "uploads answered 500, half of them done", Rule(("PutObject",), "denied", 0.4), Rule(("PutObject",), "500", 0.6)
    ),
    _calls("S3 away", Rule(S3, "503")),
    _calls("SNS away", Rule(SNS, "503")),
    _calls("counts at zero", Rule(("GetQueueAttributes",), "zero")),
    _calls("polls hang", Rule(("ReceiveMessage",), "late", 0.5), lasts_s=(40, 50)),
    Fault("every message twice", (5, 10), _twice),
    Fault("messages that are none", (5, 10), _strange),
    Fault("queue purged", (5, 10), _purged),
)
