"""A cloud in memory for each test, and the transport's parts on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from kombu import Connection

from app.sqs import memory
from app.sqs.api import Api
from app.sqs.fanout import Fanout, Topic
from app.sqs.leases import Lease, Leases
from app.sqs.listeners import Listeners
from app.sqs.memory import MemoryApi, MemoryCloud
from app.sqs.metrics import metrics
from app.sqs.options import Options
from app.sqs.outbox import Outbox
from app.sqs.sweep import ListenerSweep


@pytest.fixture
def cloud() -> MemoryCloud:
    """Nothing is in it yet."""
    return MemoryCloud()


@pytest.fixture
def api(cloud: MemoryCloud) -> Api:
    """The calls to it."""
    return MemoryApi(cloud, metrics)


@pytest.fixture
def queue(api: Api) -> str:
    """The address of a queue without a dead-letter queue."""
    return str(api.sqs("create_queue", QueueName="q")["QueueUrl"])


@pytest.fixture
def leases(api: Api) -> Iterator[Leases]:
    """They extend what is held for 30 s."""
    leases = Leases(api, 30)
    yield leases
    leases.stop()


@pytest.fixture
def outbox(api: Api, leases: Leases) -> Iterator[Outbox]:
    """It sends in a thread of its own."""
    outbox = Outbox(api, leases)
    yield outbox
    outbox.stop()


@pytest.fixture
def held(api: Api, queue: str, leases: Leases) -> Callable[[int], list[Lease]]:
    """Send some messages, and receive and hold them."""

    def take(count: int) -> list[Lease]:
        for first in range(0, count, 10):
            entries = [{"Id": str(n), "MessageBody": "x"} for n in range(min(10, count - first))]
            api.sqs("send_message_batch", QueueUrl=queue, Entries=entries)
        found: list[Lease] = []
        while len(found) < count:
            for message in api.poll(wait_s=0, QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=30):
                lease = Lease(queue, message["ReceiptHandle"], message["MessageId"], 1)
                leases.add(lease)
                found.append(lease)
        return found

    return take


@pytest.fixture
def connect() -> Iterator[Callable[..., Connection]]:
    """Connect through the transport that ships for tests, with a topic and so a gateway of this test's own."""
    memory.cloud.clear()
    connections: list[Connection] = []

    def make(**options: Any) -> Connection:
        given = {"topic": uuid4().hex, "wait_time_seconds": 1, **options}
        connection = Connection("sqs://", transport="app.sqs.memory:Transport", transport_options=given)
        connections.append(connection)
        return connection

    yield make
    for connection in connections:
        gateway = connection.transport.gateway
        connection.release()
        gateway.close()
    memory.cloud.clear()


class Clocks:
    """A wall clock, and one that stands still while the machine sleeps."""

    def __init__(self) -> None:
        self.wall, self.running = 1_800_000_000.0, 0.0

    def run(self, seconds: float) -> None:
        self.wall += seconds
        self.running += seconds

    def sleep(self, seconds: float) -> None:
        self.wall += seconds


@pytest.fixture
def clocks() -> Clocks:
    """Both of them."""
    return Clocks()


@pytest.fixture
def topic(api: Api) -> Topic:
    """What is published to."""
    return Topic(api, options())


@pytest.fixture
def listeners(api: Api, topic: Topic, clocks: Clocks) -> Listeners:
    """This process's own queues, by those clocks."""
    return Listeners(api, options(), topic, lambda: clocks.wall)


@pytest.fixture
def fanout(api: Api, topic: Topic, listeners: Listeners) -> Fanout:
    """Publishes to the listeners."""
    return Fanout(api, options(), topic, listeners.subscribe_anew, lambda: False)


@pytest.fixture
def sweep(clocks: Clocks) -> ListenerSweep:
    """It keeps time by the clock that stands still."""
    return ListenerSweep("celery-on-", lambda: clocks.running)


def counted(name: str) -> int:
    """Return the transport's counter ``name``."""
    count = metrics.snapshot().get(name, 0)
    assert isinstance(count, int)
    return count


def options(**given: Any) -> Options:
    """Return the transport's options."""
    return Options.of(given)
