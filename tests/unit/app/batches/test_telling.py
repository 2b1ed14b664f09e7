"""Telling: web processes hear an event, workers a command, and nobody's work ends where nobody can be told."""

from __future__ import annotations

from celery import Celery
from structlog.testing import capture_logs

from app.announcements import BatchChanged
from app.batches.telling import Telling
from app.dispatch import Dispatch
from tests.support.listening import announced
from tests.support.waiting import wait_for


def made(**options: object) -> Celery:
    app = Celery(set_as_current=False)
    app.conf.update(broker_url="sqs://", broker_transport="app.sqs.memory:Transport", broker_transport_options=options)
    return app


def test_a_change_is_heard_by_web_processes() -> None:
    app = made()
    with announced(app) as said:
        Telling(app, Dispatch(app, "web")).changed("b")
        wait_for(lambda: said, 10)
    assert said[0].what == BatchChanged("b")


def test_where_nobody_can_be_told_that_is_said_and_nothing_else_happens() -> None:
    app = made(visibility_timeout=-1)  # no transport can be made of that
    with capture_logs() as logs:
        Telling(app, Dispatch(app, "web")).dropped("b", True)
    assert [(line["event"], line["batch"]) for line in logs] == [("workers_not_told", "b")]
