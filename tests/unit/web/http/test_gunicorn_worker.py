"""What our worker changes of gunicorn's, and may be another in a version to come."""

from __future__ import annotations

import inspect
import socket

import gunicorn
import pytest
from gunicorn.config import Config
from gunicorn.workers import gthread

from web.http.bodies import READ_BYTES
from web.http.gunicorn_worker import Connection, Worker

DIFFERS = f"gunicorn {gunicorn.__version__} differs"


@pytest.mark.parametrize("method", ["accept", "enqueue_req", "murder_keepalived", "handle_error"])
def test_what_is_changed_is_there_to_be_changed(method: str) -> None:
    assert callable(getattr(gthread.ThreadWorker, method, None)), f"{DIFFERS}: its threaded worker has no {method}"


def test_its_loop_looks_for_late_connections_at_every_turn_and_new_ones_come_by_accept() -> None:
    source = inspect.getsource(gthread.ThreadWorker)
    assert "self.murder_keepalived()" in inspect.getsource(gthread.ThreadWorker.run), DIFFERS
    assert "self.accept" in source, DIFFERS
    assert "self.tpool.submit(self.handle, conn)" in inspect.getsource(gthread.ThreadWorker.enqueue_req), DIFFERS


def test_a_connection_is_made_and_closed_as_ours_is() -> None:
    made = inspect.signature(gthread.TConn.__init__).parameters
    assert list(made) == ["self", "cfg", "sock", "client", "server"], DIFFERS
    assert "conn.close(" in inspect.getsource(Worker.finish_request), DIFFERS


def test_no_more_of_a_body_is_read_at_once_than_is_asked_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(Config(), ours, ("", 0), ("", 0))
        connection.init()
        theirs.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 150000\r\n\r\n" + b"x" * 150_000)
        request = next(connection.parser)
        assert request.body.read(READ_BYTES) == b"x" * READ_BYTES
        assert len(connection.parser.unreader.buf.getvalue()) < READ_BYTES, f"{DIFFERS}: it reads ahead on its own"
