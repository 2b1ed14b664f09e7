"""When a worker has been idle for long enough: decided on a transport that is drained first, on the fake that ships."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Connection, Consumer, Queue

from app.announcements import CallsMade
from app.aws.calls import calls
from app.domain import Failure
from app.sqs import memory
from app.sqs.fanout import EVENT_EXCHANGE
from tasks import announce
from tasks.worker.lifecycle import (
    Events,
    Farewell,
    HeedNotices,
    Idle,
    IdleStop,
    LoadEngine,
    StayAlive,
    TellCalls,
    install,
)
from tests.support.waiting import wait_for

IDLE_S = 30.0


class Worker:
    """A consumer of one queue, as a worker's loop has it, and the messages that it works on."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.transport = connection, connection.transport
        self.messages: list[Any] = []
        self.channel = connection.channel()
        consumer = Consumer(self.channel, [Queue("q")], callbacks=[lambda body, message: self.messages.append(message)])
        consumer.consume()

    @property
    def paused(self) -> bool:
        return all(poller.paused for poller in self.channel.pollers)

    def work(self) -> None:
        """Send a message and receive it."""
        self.send()
        self.connection.drain_events(timeout=10)

    def send(self) -> None:
        with self.connection.Producer() as producer:
            producer.publish({}, routing_key="q")


@pytest.fixture
def worker() -> Iterator[Worker]:
    memory.cloud.clear()
    # Of events that nobody waits for, none is published in a test's time.
    options = {"topic": uuid4().hex, "wait_time_seconds": 1, "event_interval": 60.0}
    connection = Connection("sqs://", transport="app.sqs.memory:Transport", transport_options=options)
    gateway = connection.transport.gateway
    yield Worker(connection)
    connection.release()
    gateway.close()
    memory.cloud.clear()


def test_before_its_time_an_idle_worker_polls_on_and_no_poll_lasts_beyond_that(worker: Worker) -> None:
    leaves_at = worker.transport.touched_at + IDLE_S
    assert not Idle(IDLE_S).look(worker.transport, leaves_at - 0.1)
    assert not worker.paused
    assert [poller.last_wait_until for poller in worker.channel.pollers] == [leaves_at]


def test_at_its_time_it_drains_and_leaves_once_the_last_poll_has_ended(worker: Worker) -> None:
    idle, now = Idle(IDLE_S), worker.transport.touched_at + IDLE_S
    wait_for(lambda: not worker.transport.quiesced, 10)  # a poll is under way
    assert not idle.look(worker.transport, now)
    assert worker.paused
    wait_for(lambda: idle.look(worker.transport, now), 10)
    assert worker.transport.quiesced


def test_a_message_starts_its_time_anew(worker: Worker) -> None:
    before = worker.transport.touched_at
    worker.work()
    worker.messages.pop().ack()
    assert not Idle(IDLE_S).look(worker.transport, before + IDLE_S)
    assert not worker.paused


def test_as_long_as_it_works_it_is_not_idle_however_long_that_takes(worker: Worker) -> None:
    worker.work()
    idle, later = Idle(IDLE_S), worker.transport.touched_at + 1000 * IDLE_S
    assert not idle.look(worker.transport, later)
    assert not worker.paused
    worker.messages.pop().ack()
    wait_for(lambda: idle.look(worker.transport, worker.transport.touched_at + IDLE_S), 10)


def test_a_message_in_the_last_poll_cancels_an_idle_stop(worker: Worker) -> None:
    idle = Idle(0)
    wait_for(lambda: not worker.transport.quiesced, 10)  # a poll is under way
    assert not idle.look(worker.transport, time.monotonic())
    assert worker.paused
    worker.work()
    assert not idle.look(worker.transport, time.monotonic())
    assert not worker.paused
    assert not idle.look(worker.transport, time.monotonic()), "it works"
    worker.messages.pop().ack()
    wait_for(lambda: idle.look(worker.transport, time.monotonic()), 10)


def test_each_step_of_its_life_is_in_the_workers_blueprint() -> None:
    app = Celery(set_as_current=False)
    install(app)
    assert {LoadEngine, Events, Farewell, IdleStop, StayAlive, HeedNotices} <= app.steps["consumer"]


def test_an_outcome_is_told_at_once_though_the_worker_has_more_to_do(worker: Worker) -> None:
    worker.work()
    ears = worker.transport.gateway.listeners.use("ears")
    ears.subscribe(EVENT_EXCHANGE)
    dispatcher = Celery(set_as_current=False).events.Dispatcher(worker.connection, hostname="w@host")
    events = Events(None)
    events.start(SimpleNamespace(event_dispatcher=dispatcher))
    announce.announce(Failure.of("batch/text.png", "this is not an image"))
    wait_for(lambda: memory.cloud.bodies(ears.url().rsplit("/", 1)[-1]), 10)
    events.stop(None)


def test_while_it_is_to_stay_an_idle_worker_does_not_leave(worker: Worker) -> None:
    leaves_at = worker.transport.touched_at + IDLE_S
    idle = Idle(IDLE_S, lambda: leaves_at + 60)
    assert not idle.look(worker.transport, leaves_at + 59)
    assert not worker.paused
    wait_for(lambda: idle.look(worker.transport, leaves_at + 60), 10)


def test_being_told_to_stay_cancels_an_idle_stop(worker: Worker) -> None:
    stays_until = [0.0]
    idle, now = Idle(IDLE_S, lambda: stays_until[0]), worker.transport.touched_at + IDLE_S
    wait_for(lambda: not worker.transport.quiesced, 10)  # a poll is under way
    assert not idle.look(worker.transport, now)
    assert worker.paused
    stays_until[0] = now + 60
    assert not idle.look(worker.transport, now)
    assert not worker.paused


def test_what_it_has_called_is_told_when_it_has_worked_and_once_more_when_it_stops() -> None:
    sent: list[tuple[str, int]] = []
    dispatcher = SimpleNamespace(enabled=True, send=lambda type, **fields: sent.append((type, fields["s3_put"])))
    consumer = SimpleNamespace(event_dispatcher=dispatcher)
    before, step = calls.made().s3_put, TellCalls(consumer)
    calls.count("sqs_call")
    step.stop(consumer)
    assert sent == [], "it has only polled"
    calls.count("s3_put")
    step.stop(consumer)
    step.stop(consumer)
    assert sent == [(CallsMade.TYPE, before + 1)]
