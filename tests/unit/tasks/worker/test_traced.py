"""A worker that is traced: Celery's instrumentation, begun as a worker begins it, on Celery's own broker in memory."""

from __future__ import annotations

import subprocess
import sys

from tests.support.collector import Collector
from tests.support.workers import ROOT

WORKER = """
from celery import Celery
from celery.contrib.testing.worker import start_worker
from app.process import spans, tracing
from app.settings import settings
from tasks.worker import traced

app = Celery(broker="memory://", backend="cache+memory://")

@app.task(bind=True)
def twice(self):
    spans.tell(attempt=self.request.retries)
    if self.request.retries == 0:
        raise self.retry(countdown=0)

traced.begin(settings().tracing)
with start_worker(app, pool="solo", perform_ping_check=False):
    with spans.trace("elsewhere"):
        app.send_task(twice.name).get(timeout=30)
tracing.end()
"""


def test_a_task_goes_on_with_its_message_s_trace_and_so_does_its_retry() -> None:
    with Collector() as collector:
        environment = {
            "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", WORKER], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        by_id = {span.id: span for span in collector.spans}
    runs = {span.attributes["elastiq.attempt"]: span for span in by_id.values() if span.name.startswith("run/")}

    assert {span.trace for span in runs.values()} == {span.trace for span in by_id.values() if not span.parent}
    assert {span.service for span in by_id.values()} == {"elastiq-worker"}
    again = by_id[runs[1].parent]
    assert (again.name.partition("/")[0], again.parent) == ("apply_async", runs[0].id)
