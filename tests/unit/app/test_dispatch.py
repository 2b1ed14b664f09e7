"""Announcements of a process that is no worker: heard under its name, and of no harm where they cannot be sent."""

from __future__ import annotations

from celery import Celery
from structlog.testing import capture_logs

from app.announcements import BatchChanged
from app.dispatch import Dispatch
from tests.support.listening import announced
from tests.support.waiting import wait_for


def test_what_is_sent_is_heard_under_the_tier_s_name() -> None:
    app = Celery(set_as_current=False)
    app.conf.update(broker_url="sqs://", broker_transport="app.sqs.memory:Transport")
    with announced(app) as said:
        Dispatch(app, "web").send(BatchChanged("b"))
        wait_for(lambda: said, 10)
    assert said[0].what == BatchChanged("b")
    assert said[0].instance == "web"


def test_what_cannot_be_sent_costs_nothing_and_is_said_once() -> None:
    app = Celery(set_as_current=False)
    app.conf.update(broker_url="sqs://", broker_transport="app.sqs.memory:Transport")
    app.conf.broker_transport_options = {"visibility_timeout": -1}  # no transport can be made of that
    dispatch = Dispatch(app, "web")
    with capture_logs() as logs:
        for _ in range(3):
            dispatch.send(BatchChanged("b"))
    assert [(record["event"], record["type"]) for record in logs] == [("event_not_sent", BatchChanged.TYPE)]
