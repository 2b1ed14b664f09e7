"""What becomes of the rest of a body when its request is answered."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator

import pytest
from flask import Flask

from web.http import hearing
from web.http.pace import PacedSocket
from web.http.seats import Seats


@pytest.fixture
def ends() -> Iterator[tuple[PacedSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with PacedSocket(fileno=ours.detach()) as paced, theirs:
        yield paced, theirs


def answered(client: socket.socket, body: io.BytesIO, seats: Seats) -> bytes:
    """Answer a request with this body; return what comes next on its connection."""
    app = Flask(__name__)
    hearing.install(app, seats)
    app.add_url_rule("/", view_func=lambda: "said", methods=["POST"])
    environ = {"gunicorn.socket": client, "wsgi.input": body, "CONTENT_LENGTH": "5"}
    assert app.test_client().post("/", environ_overrides=environ).text == "said"
    client.settimeout(0)
    return client.recv(1)


def test_a_body_that_ends_is_read_and_the_connection_goes_on(ends: tuple[PacedSocket, socket.socket]) -> None:
    ours, _ = ends
    body = io.BytesIO(b"12345")
    with pytest.raises(BlockingIOError):
        answered(ours, body, Seats(1, "full"))
    assert body.tell() == 5


def test_where_too_many_are_heard_already_the_connection_ends_and_nothing_is_read(
    ends: tuple[PacedSocket, socket.socket],
) -> None:
    ours, _ = ends
    body = io.BytesIO(b"12345")
    assert answered(ours, body, Seats(0, "full")) == b""
    assert body.tell() == 0
