"""What our worker changes of gunicorn's, and may be another in a version to come."""

from __future__ import annotations

import inspect

import gunicorn
import pytest
from gunicorn.workers import gthread

from web.http.gunicorn_worker import Worker

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
