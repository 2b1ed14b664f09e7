"""A Celery application of plain tasks on the SQS transport: ``celery -A tests.support.sample worker``.

``SAMPLE`` holds its configuration as JSON; ``SAMPLE_LOG`` is a file that gets a line for each thing a task does.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from celery import Celery, Task
from celery.exceptions import Reject

app = Celery("sample", broker="sqs://", set_as_current=False)
app.conf.update(
    broker_transport="app.sqs:Transport",
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    task_default_queue="sample",
    accept_content=["json"],
    broker_transport_options={"wait_time_seconds": 2},
)
app.conf.update(json.loads(os.environ.get("SAMPLE", "{}")))

if os.environ.get("SAMPLE_LIFECYCLE"):
    from tasks.worker.lifecycle import Farewell, HeedNotices, IdleStop

    app.steps["consumer"].update({Farewell, HeedNotices, IdleStop})


def note(**fields: Any) -> None:
    """Append a line to the log; a line is written whole."""
    with open(os.environ["SAMPLE_LOG"], "a") as file:
        file.write(json.dumps({"at": time.time(), "pid": os.getpid(), **fields}) + "\n")


@app.task(name="noop")
def noop(number: int = 0) -> None:
    """Do nothing."""


@app.task(name="work")
def work(number: int, seconds: float = 0.0) -> None:
    """Take ``seconds``; note the beginning and the end."""
    note(task="work", number=number, what="begin")
    time.sleep(seconds)
    note(task="work", number=number, what="end")


@app.task(name="add")
def add(one: int, other: int) -> int:
    """Return the sum."""
    return one + other


@app.task(name="total")
def total(numbers: list[int]) -> int:
    """Return the sum of them all."""
    return sum(numbers)


@app.task(name="limited", rate_limit="2/s")
def limited(number: int) -> None:
    """Be begun twice a second at most."""
    note(task="limited", number=number, what="begin")


@app.task(name="ended", time_limit=2)
def ended(number: int) -> None:
    """Be ended by Celery while it goes on."""
    note(task="ended", number=number, what="begin")
    time.sleep(60)
    note(task="ended", number=number, what="end")


@app.task(name="fail", acks_on_failure_or_timeout=False)
def fail(number: int) -> None:
    """Always raise."""
    note(task="fail", number=number, what="begin")
    raise RuntimeError("it never works")


@app.task(name="reject")
def reject(number: int) -> None:
    """Be rejected for good."""
    note(task="reject", number=number, what="begin")
    raise Reject("nobody wants it", requeue=False)


@app.task(name="again", bind=True, max_retries=3)
def again(self: Task, number: int, countdown: float) -> None:
    """Retry twice, then succeed."""
    note(task="again", number=number, what="begin", retries=self.request.retries)
    if self.request.retries < 2:
        raise self.retry(countdown=countdown)
