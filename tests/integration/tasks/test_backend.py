"""Where a Celery application keeps its results."""

from __future__ import annotations

from itertools import islice

import pytest
from celery.exceptions import TimeoutError

from app import aws
from app.settings import Settings
from app.storage import TASK_RESULTS
from tasks.backend import pauses
from tasks.celery import make_app


def test_results_go_to_the_output_bucket_that_the_application_was_made_with(config: Settings) -> None:
    make_app(config).backend.set("celery-task-meta-1", "{}")
    s3 = aws.client("s3", config.aws)
    body = s3.get_object(Bucket=config.buckets.output, Key=f"{TASK_RESULTS}celery-task-meta-1")["Body"]
    assert body.read() == b"{}"


def test_a_result_is_looked_for_early_whatever_the_interval(config: Settings) -> None:
    backend = make_app(config).backend
    looks: list[None] = []

    def look() -> None:
        looks.append(None)
        if len(looks) == 3:
            backend.mark_as_done("early", {"label": "tabby"})

    # Celery's own would look a second time after 20 s, and give up.
    assert backend.wait_for("early", timeout=20, interval=60, on_interval=look)["result"] == {"label": "tabby"}
    assert len(looks) == 3


def test_nobody_waits_for_a_result_beyond_the_timeout(config: Settings) -> None:
    backend = make_app(config).backend
    with pytest.raises(TimeoutError):
        backend.wait_for("never", timeout=0.1)
    with pytest.raises(TimeoutError):
        backend.wait_for("never", timeout=0)


def test_pauses_between_looks_are_at_most_half_of_the_time_that_has_passed() -> None:
    found = list(islice(pauses(0.5), 60))
    for number, pause_s in enumerate(found[1:], start=1):
        assert pause_s <= sum(found[:number]) / 2
    assert found[-1] == 0.5
    assert len([pause_s for pause_s in found if sum(found[: found.index(pause_s)]) < 0.1]) <= 5
