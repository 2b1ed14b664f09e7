"""`celery inspect sqs`: a worker answers with its transport's counters."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker

from app.sqs import memory
from app.sqs.metrics import metrics


@pytest.fixture
def app() -> Iterator[Celery]:
    memory.cloud.clear()
    app = Celery("shop", broker="sqs://", set_as_current=False)
    app.conf.update(
        broker_transport="app.sqs.memory:Transport", task_default_queue="orders", worker_prefetch_multiplier=1
    )
    app.conf.broker_transport_options = {"wait_time_seconds": 1, "topic": uuid4().hex}
    yield app
    app.close()


def test_a_worker_tells_its_counters_by_remote_control(app: Celery) -> None:
    metrics.count("told_by_remote_control", 7)
    with start_worker(app, perform_ping_check=False, pool="solo", loglevel="ERROR"):
        (answer,) = app.control.broadcast("sqs", reply=True, limit=1, timeout=10)
    (counters,) = answer.values()
    assert counters["told_by_remote_control"] == 7
    assert counters["api_calls"]["receive_message"] >= 1
