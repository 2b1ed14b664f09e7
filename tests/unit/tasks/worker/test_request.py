"""A message that a worker holds is settled whatever becomes of its task, in a real worker on SQS in memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.backends.cache import CacheBackend
from celery.contrib.testing.worker import start_worker
from celery.exceptions import Reject

from app.errors import TransientError
from app.sqs import memory
from tests.support.waiting import wait_for

ran: list[str] = []
refusals: list[str] = []


class Store(CacheBackend):
    """A result backend that cannot be reached for as many calls as `refusals` has."""

    def __init__(self, app: Celery, **_: Any) -> None:
        super().__init__(app, backend="memory")

    def set(self, key: Any, value: Any) -> Any:
        """Store, or not."""
        if refusals:
            raise TransientError(refusals.pop())
        return super().set(key, value)


@pytest.fixture
def application() -> Iterator[Celery]:
    """A worker with our requests and our pool."""
    memory.cloud.clear()
    ran.clear()
    app = Celery(broker="sqs://", backend="tests.unit.tasks.worker.test_request:Store", set_as_current=False)
    app.conf.update(
        broker_transport="app.sqs.memory:Transport", task_default_queue=f"q-{uuid.uuid4().hex[:8]}",
        task_acks_late=True, task_create_missing_queues=True, worker_prefetch_multiplier=1,
    )  # fmt: skip

    @app.task(name="work", shared=False, Request="tasks.worker.request:Request")
    def work(how: str) -> str:
        ran.append(how)
        if len(ran) == 1 and how == "rejected":
            raise Reject("not now", requeue=False)
        if len(ran) == 1 and how == "no memory":
            raise MemoryError
        return how

    with start_worker(
        app, pool="tasks.worker.pool:ThreadPool", concurrency=1, perform_ping_check=False, shutdown_timeout=30
    ):
        yield app


@pytest.mark.parametrize(("how", "refused"), [("rejected", 1), ("no memory", 0)])
def test_what_could_not_be_settled_comes_again_and_is_done(application: Celery, how: str, refused: int) -> None:
    refusals.extend(["not now"] * refused)
    sent = application.send_task("work", (how,))

    wait_for(lambda: len(ran) == 2, 30)
    assert wait_for(lambda: sent.state == "SUCCESS", 30)
