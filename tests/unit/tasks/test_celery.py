"""The Celery application as settings describe it: what a client submits is there for a worker, and lost by nobody."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from app.settings import Settings
from app.sqs import bulk, memory, wire
from tasks.celery import CLASSIFY, make_app

ROOT = Path(__file__).parents[3]


def made(**variables: str) -> Celery:
    """Return the application on the transport's fake."""
    app = make_app(Settings.from_environment(variables))
    app.conf.broker_transport = "app.sqs.memory:Transport"
    return app


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    memory.cloud.clear()
    yield
    memory.cloud.clear()


def test_a_task_is_a_message_in_the_queue_of_the_settings_with_its_dead_letter_queue() -> None:
    made(ELASTIQ_QUEUE="mine").send_task(CLASSIFY, ("batch/cat.png",))

    (body,) = memory.cloud.bodies("mine")
    assert wire.decode(body)["headers"]["task"] == "tasks.classify"
    assert set(memory.cloud.queues) == {"mine", "mine-dead"}


def test_many_tasks_are_sent_in_bulk() -> None:
    app = made(ELASTIQ_QUEUE="mine")

    with bulk():
        for number in range(25):
            app.send_task(CLASSIFY, (f"batch/{number}.png",))

    assert memory.cloud.depth("mine") == (25, 0, 0)


def test_a_queue_that_is_named_by_its_address_is_not_looked_up_or_made() -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/given"
    options: dict[str, Any] = made(ELASTIQ_QUEUE="given", ELASTIQ_QUEUE_URL=url).conf.broker_transport_options

    assert options["predefined_queues"] == {"given": {"url": url}}
    assert made().conf.broker_transport_options["predefined_queues"] == {}


def test_what_a_dead_worker_held_is_tried_again_and_nothing_but_json_is_read() -> None:
    conf = made().conf

    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.accept_content == ["json"]
    assert (conf.task_serializer, conf.result_serializer, conf.event_serializer) == ("json", "json", "json")


def test_a_process_that_only_submits_loads_no_engine_and_no_worker() -> None:
    script = (
        "import sys; from tasks import app, bulk, classify; assert classify.name == 'tasks.classify';"
        "print(*[name for name in sys.modules if name.startswith(('tasks.', 'openvino', 'torch', 'numpy', 'PIL'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(loaded.stdout.split()) == {"tasks.announce", "tasks.celery", "tasks.classification", "tasks.diary"}


def test_tasks_has_no_other_names() -> None:
    import tasks

    with pytest.raises(AttributeError, match="no attribute 'engines'"):
        tasks.engines  # noqa: B018
