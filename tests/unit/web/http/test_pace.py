"""How long a connection's silence is waited through."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import pytest

from web.http.pace import PacedSocket


@pytest.fixture
def ends() -> Iterator[tuple[PacedSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with PacedSocket(fileno=ours.detach()) as paced, theirs:
        yield paced, theirs


def test_what_is_there_is_read_though_no_more_is_waited_for(ends: tuple[PacedSocket, socket.socket]) -> None:
    ours, theirs = ends
    ours.wait_at_most(0)
    theirs.sendall(b"abc")
    assert ours.recv(2) == b"ab"
    assert ours.recv(2) == b"c"
    with pytest.raises(TimeoutError):
        ours.recv(2)


def test_who_trickles_is_waited_for_no_longer_than_who_is_silent(ends: tuple[PacedSocket, socket.socket]) -> None:
    ours, theirs = ends
    ours.wait_at_most(0.5, slowest=1_000)
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.05):
            theirs.sendall(b"x")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(trickle)
        try:
            came = list(islice(iter(partial(received, ours), b""), 100))
        finally:
            stop.set()
    assert len(came) < 30


def received(client: socket.socket) -> bytes:
    """Return what comes next, nothing if no more is waited for."""
    try:
        return client.recv(1)
    except TimeoutError:
        return b""


def test_who_brings_enough_is_waited_for_again_and_again(ends: tuple[PacedSocket, socket.socket]) -> None:
    ours, theirs = ends
    ours.wait_at_most(0.2, slowest=1_000)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            ours.recv(1)
        theirs.sendall(b"x" * 1_000)
        assert len(ours.recv(1_000)) == 1_000


def test_a_loop_that_never_waits_is_left_alone(ends: tuple[PacedSocket, socket.socket]) -> None:
    ours, _ = ends
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
    assert ours.gettimeout() == 0
