"""The fake as a user of the transport has it: a Celery application under test, without a server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

from app.sqs import bulk, memory
from tests.support.waiting import wait_for


@pytest.fixture
def app() -> Iterator[Celery]:
    memory.cloud.clear()
    app = Celery("shop", broker="sqs://", set_as_current=False)
    app.conf.update(broker_transport="app.sqs.memory:Transport", task_acks_late=True, task_default_queue="orders")
    app.conf.broker_transport_options = {"wait_time_seconds": 1, "listen": False}
    yield app
    app.close()


def test_what_was_submitted_can_be_looked_at(app: Celery) -> None:
    app.send_task("charge", (7,))
    with bulk():
        for n in range(11):
            app.send_task("charge", (n,))
    assert memory.cloud.depth("orders") == (12, 0, 0)


def test_a_worker_works_it_off(app: Celery) -> None:
    done: list[int] = []
    event = threading.Event()

    @app.task(name="charge")
    def charge(n: int) -> None:
        done.append(n)
        event.set()

    with bulk():
        for n in range(20):
            charge.delay(n)
    kept: dict[str, Any] = {"perform_ping_check": False, "pool": "solo", "loglevel": "ERROR"}
    with start_worker(app, **kept):
        wait_for(lambda: memory.cloud.depth("orders") == (0, 0, 0), 10)
    assert sorted(done) == list(range(20))
    assert event.is_set()


def test_a_countdown_is_held_by_the_queue_until_time_has_passed(app: Celery) -> None:
    app.send_task("charge", (1,), countdown=60)
    assert memory.cloud.depth("orders") == (0, 0, 1)
    memory.cloud.advance(61)
    assert memory.cloud.depth("orders") == (1, 0, 0)
