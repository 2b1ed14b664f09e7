"""Where a Celery application keeps its results."""

from __future__ import annotations

from app import aws
from app.settings import Settings
from app.storage import TASK_RESULTS
from tasks.celery import make_app


def test_results_go_to_the_output_bucket_that_the_application_was_made_with(config: Settings) -> None:
    make_app(config).backend.set("celery-task-meta-1", "{}")
    s3 = aws.client("s3", config.aws)
    body = s3.get_object(Bucket=config.buckets.output, Key=f"{TASK_RESULTS}celery-task-meta-1")["Body"]
    assert body.read() == b"{}"
