"""Streams on connections of the test's own: what becomes of slow clients, and of events that break."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress

import pytest
from flask import Flask
from structlog.testing import capture_logs

from tests.support.waiting import wait_for
from web.http.gunicorn_internals import HandedOver
from web.http.problems import Busy
from web.http.streams import Events, Streams


@contextmanager
def opened(streams: Streams, events: Events) -> Iterator[socket.socket]:
    """A client's end of a connection that an answer with these events was handed over on."""
    ours, theirs = socket.socketpair()
    environ = {"gunicorn.socket": ours, "SERVER_PROTOCOL": "HTTP/1.1"}
    with ours, theirs, Flask(__name__).test_request_context("/", environ_overrides=environ):
        body = streams.answer(events).iter_encoded()
        assert next(body) == b""
        with pytest.raises(HandedOver):
            next(body)
        theirs.settimeout(20)
        yield theirs


async def endless() -> AsyncGenerator[bytes, None]:
    while True:
        yield b"x" * 100_000


async def of(*texts: bytes) -> AsyncGenerator[bytes, None]:
    for text in texts:
        yield text


async def broken() -> AsyncGenerator[bytes, None]:
    yield b"one"
    raise ValueError("broken")


def all_of(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_what_the_events_say_is_told_in_chunks_and_then_the_connection_ends() -> None:
    streams = Streams(1)
    with opened(streams, of(b"one", b"twenty-two")) as client:
        assert all_of(client) == b"3\r\none\r\na\r\ntwenty-two\r\n0\r\n\r\n"
    wait_for(lambda: not streams.held)


def test_beyond_their_number_there_are_no_more() -> None:
    streams = Streams(1)
    with opened(streams, endless()), pytest.raises(Busy, match="poll GET"), opened(streams, endless()):
        pytest.fail("there was no place")


def test_a_client_that_takes_nothing_is_cut_off_after_a_while_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("web.http.streams.STALLED_S", 0.5)
    streams = Streams(2)
    with opened(streams, endless()) as slow, opened(streams, endless()) as quick:
        taken = 0
        while streams.held == 2:
            taken += len(quick.recv(65536))
        assert taken > 1_000_000
        assert quick.recv(100)
        with suppress(ConnectionError):
            assert len(all_of(slow)) < taken
    wait_for(lambda: not streams.held)


def test_events_that_break_are_logged_and_the_stream_ends_without_its_last_chunk() -> None:
    streams = Streams(1)
    with capture_logs() as logs, opened(streams, broken()) as client:
        assert all_of(client) == b"3\r\none\r\n"
        wait_for(lambda: not streams.held)
    assert [told["event"] for told in logs] == ["stream_broke"]


def test_who_does_not_end_in_time_is_cut_off() -> None:
    streams = Streams(2)
    with opened(streams, endless()), opened(streams, of(b"one")) as quick:
        streams.finish(0.2)
        assert all_of(quick).endswith(b"0\r\n\r\n")
        wait_for(lambda: not streams.held)


def test_without_any_stream_there_is_nothing_to_end() -> None:
    Streams(1).finish(60)
