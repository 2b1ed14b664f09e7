"""What is used of gunicorn beyond its settings and hooks, and may be another in a version to come."""

from __future__ import annotations

import errno
import inspect
import io
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import gunicorn
import pytest
from flask import Flask
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.wsgi import default_environ
from gunicorn.workers import gthread

from web.http.gunicorn_internals import HandedOver, Log, before_a_stop, connection, end_after_this_answer, remember

DIFFERS = f"gunicorn {gunicorn.__version__} differs"
STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Leave the signals' handlers as they were."""
    before = {signum: signal.getsignal(signum) for signum in STOPS}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


def test_a_request_that_came_through_gunicorn_has_its_connection() -> None:
    request = SimpleNamespace(method="GET", uri="/", query="", version=(1, 1), body=io.BytesIO())
    with closing(socket.socket()) as client:
        environ = default_environ(request, client, Config())
        assert "gunicorn.socket" in environ, f"{DIFFERS}: a request does not have its connection"
        with Flask(__name__).test_request_context("/", environ_overrides=environ):
            assert connection() is client


def test_a_request_that_came_otherwise_has_none() -> None:
    with Flask(__name__).test_request_context("/"):
        assert connection() is None


def test_an_answer_can_be_its_connection_s_last() -> None:
    request = object.__new__(Request)
    request.must_close = False
    assert callable(getattr(Request, "should_close", None)), f"{DIFFERS}: a request does not say whether it is the last"
    remember(None, request)
    end_after_this_answer()
    assert request.should_close(), f"{DIFFERS}: a request cannot be made its connection's last"


def test_where_there_is_no_request_of_gunicorn_s_nothing_is_ended() -> None:
    ended = []
    thread = threading.Thread(target=lambda: ended.append(end_after_this_answer()))
    thread.start()
    thread.join(10)
    assert ended == [None]


def test_a_connection_that_is_handed_over_looks_like_one_that_has_gone() -> None:
    assert isinstance(HandedOver(), OSError)
    assert "errno.EPIPE" in inspect.getsource(gthread.ThreadWorker.handle), f"{DIFFERS}: it minds a client that goes"
    assert HandedOver().errno == errno.EPIPE


@pytest.mark.parametrize("signum", STOPS)
def test_whatever_stops_a_worker_acts_first_and_is_then_as_sigterm(signum: signal.Signals) -> None:
    acted, stopped = threading.Event(), []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    before_a_stop(acted.set)
    signal.raise_signal(signum)
    assert stopped == [signum]
    assert acted.wait(10)


def test_a_gunicorn_that_leaves_its_signals_alone_is_said_to_differ() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.raises(RuntimeError, match=r"gunicorn .* differs: its worker does not handle SIGTERM"):
        before_a_stop(lambda: None)


def test_what_gunicorn_logs_goes_the_way_of_all_other_logs(caplog: pytest.LogCaptureFixture) -> None:
    Log(Config()).error("a worker was lost")
    assert [record.getMessage() for record in caplog.records] == ["a worker was lost"], f"{DIFFERS}: its log is its own"
