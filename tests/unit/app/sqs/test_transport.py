"""kombu's transport: how pollers wake Celery's loop, how one waits without a loop, and what a drain is told."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Queue
from kombu.asynchronous import Hub

from app.sqs import Transport, memory
from app.sqs.transport import too_old
from tests.support.waiting import wait_for

Connect = Callable[..., Connection]


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def transport(hub: Hub) -> Iterator[Transport]:
    connection = Connection("sqs://", transport="app.sqs:Transport")
    transport: Transport = connection.transport
    transport.register_with_event_loop(connection, hub)
    yield transport
    transport.close_connection(connection)


def readable(hub: Hub) -> list[int]:
    return select.select(list(hub.readers), [], [], 0)[0]


def turn(hub: Hub) -> None:
    """Run what the loop runs when the pipe has something to read."""
    for callback, arguments in list(hub.readers.values()):
        callback(*arguments)


def test_many_wake_ups_are_one_turn_of_the_loop(hub: Hub, transport: Transport) -> None:
    for _ in range(100_000):  # more than a pipe holds
        transport.notify()
    assert readable(hub)
    turn(hub)
    assert not readable(hub)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_wake_up_that_comes_while_the_loop_reads_the_last_one_does_not_silence_the_next(
    hub: Hub, transport: Transport, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.read

    def read_beside_a_thread_that_notifies(file: int, size: int) -> Any:
        if moment == "before":
            transport.notify()
        data = read(file, size)
        if moment == "after":
            transport.notify()
        return data

    with monkeypatch.context() as patched:
        patched.setattr(os, "read", read_beside_a_thread_that_notifies)
        turn(hub)
    while readable(hub):
        turn(hub)
    transport.notify()
    assert readable(hub), "the loop would never deliver again"


def test_the_pipe_is_not_closed_under_a_thread_that_writes_to_it(
    hub: Hub, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of a closed file may be another one's a moment later: an S3 connection's, say."""
    turn(hub)
    write, writing, closed, errors = os.write, threading.Event(), threading.Event(), []

    def slow_write(file: int, data: bytes) -> int:
        writing.set()
        closed.wait(0.3)
        return write(file, data)

    def notify() -> None:
        try:
            transport.notify()
        except OSError as err:
            errors.append(err)

    monkeypatch.setattr(os, "write", slow_write)
    thread = threading.Thread(target=notify)
    thread.start()
    assert writing.wait(5)
    transport.close_connection(None)
    closed.set()
    thread.join()
    assert errors == []


# -- without a loop


def test_who_waits_for_a_message_in_vain_is_told_so(connect: Connect) -> None:
    connection = connect()
    with Consumer(connection.channel(), [Queue("q")]), pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.05)


def test_who_waits_is_woken_by_the_message_and_gets_one_at_a_time(connect: Connect) -> None:
    connection, got = connect(), []
    with Consumer(connection.channel(), [Queue("q")], callbacks=[lambda body, message: got.append(body)]):
        with connection.Producer() as producer:
            producer.publish({"n": 1}, routing_key="q")
            producer.publish({"n": 2}, routing_key="q")
        connection.drain_events(timeout=10)
        assert len(got) == 1
        connection.drain_events(timeout=10)
    assert sorted(body["n"] for body in got) == [1, 2]


@pytest.mark.parametrize("told", [{"fanout": False}, {"listen": False}])
def test_where_nothing_is_to_be_heard_celery_is_told_that_there_is_no_fanout(
    connect: Connect, told: dict[str, bool]
) -> None:
    assert "fanout" in connect().transport.implements.exchange_type
    assert "fanout" not in connect(**told).transport.implements.exchange_type


# -- drain


class Consuming:
    """A transport that consumes a queue, and the messages that it has delivered."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.transport = connection, connection.transport
        self.got: list[Any] = []
        self.channel = connection.channel()
        self.channel.basic_qos(prefetch_count=1)
        Consumer(self.channel, [Queue("q")], callbacks=[lambda body, message: self.got.append(message)]).consume()

    def send(self) -> None:
        with self.connection.Producer() as producer:
            producer.publish({}, routing_key="q")


@pytest.fixture
def consuming(connect: Connect) -> Consuming:
    return Consuming(connect())


def test_a_drain_is_complete_once_the_poll_under_way_has_ended(consuming: Consuming) -> None:
    wait_for(lambda: not consuming.transport.quiesced, 10)
    consuming.transport.pause()
    wait_for(lambda: consuming.transport.quiesced, 10)
    consuming.send()
    assert consuming.transport.quiesced
    assert memory.cloud.depth("q") == (1, 0, 0), "it polls no more"


def test_a_drain_waits_for_what_is_held_and_for_what_was_received(consuming: Consuming) -> None:
    consuming.send()
    wait_for(lambda: memory.cloud.depth("q") == (0, 1, 0), 10)
    consuming.transport.pause()
    wait_for(lambda: consuming.transport.working, 10)
    assert not consuming.transport.quiesced, "it lies ready"
    consuming.connection.drain_events(timeout=10)
    assert not consuming.transport.quiesced, "it is being worked on"
    consuming.got.pop().ack()
    wait_for(lambda: consuming.transport.quiesced, 10)
    assert not consuming.transport.working


def test_a_drain_that_is_cancelled_polls_again(consuming: Consuming) -> None:
    consuming.transport.pause()
    wait_for(lambda: consuming.transport.quiesced, 10)
    consuming.send()
    consuming.transport.resume()
    consuming.connection.drain_events(timeout=10)
    assert len(consuming.got) == 1


def test_it_knows_when_a_message_was_delivered_or_settled_last(consuming: Consuming) -> None:
    begun = consuming.transport.touched_at
    consuming.send()
    consuming.connection.drain_events(timeout=10)
    delivered = consuming.transport.touched_at
    consuming.got.pop().ack()
    assert begun < delivered < consuming.transport.touched_at


def test_a_listener_of_events_is_no_work_to_wait_for(connect: Connect) -> None:
    connection = connect()
    channel = connection.channel()
    Consumer(channel, [Queue("inbox", auto_delete=True)], callbacks=[lambda body, message: None]).consume()
    (poller,) = channel.pollers
    wait_for(lambda: poller.polling, 10)
    assert connection.transport.quiesced
    connection.transport.pause()
    assert not poller.paused
    assert connection.transport.touched_at == 0


@pytest.mark.parametrize(
    ("name", "version", "refused"),
    [
        ("kombu", (5, 7, 0), False),
        ("celery", (6, 0, 1), False),
        ("kombu", (5, 6, 2), True),
        ("celery", (4, 4, 7), True),
    ],
)
def test_a_version_that_it_does_not_work_with_is_refused_saying_why(
    name: str, version: tuple[int, ...], refused: bool
) -> None:
    why = too_old(name, version)
    assert bool(why) == refused
    if refused:
        assert f"needs {name} 5.7" in why
        assert ".".join(map(str, version)) in why
