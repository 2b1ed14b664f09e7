"""How the pollers' threads wake Celery's loop: through a pipe, and no call of theirs is ever lost."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection
from kombu.asynchronous import Hub

from app.sqs import Transport


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
