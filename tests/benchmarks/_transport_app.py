"""The Celery application that every side of the transport benchmark runs; it needs nothing but Celery.

``TRANSPORT`` holds the side's configuration as JSON. As a program it publishes: a line on its input is one round of
that many no-op tasks, and it answers with the seconds that the round took, and the CPU seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import nullcontext

from celery import Celery

app = Celery("transport")
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    worker_hijack_root_logger=False,
)
app.conf.update(json.loads(os.environ.get("TRANSPORT", "{}")))


@app.task(name="noop")
def noop() -> None:
    """Do nothing."""


@app.task(name="wait")
def wait(seconds: float) -> None:
    """Take ``seconds``."""
    time.sleep(seconds)


def publish(count: int) -> tuple[float, float]:
    """Publish ``count`` tasks as the side does it best; return the seconds that it took, and the CPU seconds."""
    if app.conf.broker_transport == "app.sqs:Transport":
        from app.sqs import bulk as together
    else:
        together = nullcontext  # type: ignore[assignment]
    started, spent = time.perf_counter(), time.process_time()
    with together():
        for _ in range(count):
            noop.delay()
    return time.perf_counter() - started, time.process_time() - spent


if __name__ == "__main__":
    for line in sys.stdin:
        print(*publish(int(line)), flush=True)
