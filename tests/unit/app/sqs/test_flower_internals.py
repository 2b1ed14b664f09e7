"""Flower's own choice of a broker's class, with SQS in memory behind it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from app.sqs import memory
from app.sqs.flower_internals import flower_runs
from app.sqs.metrics import Metrics


@pytest.fixture
def flower() -> Iterator[Any]:
    """Flower's module, as it was before anybody told it of SQS; and so it is left."""
    from flower.utils import broker

    memory.cloud.clear()
    before = broker.Broker.__new__
    yield broker
    broker.Broker.__new__ = before
    if hasattr(broker.Broker, "of_sqs"):
        del broker.Broker.of_sqs
    memory.cloud.clear()


def application(**options: Any) -> Celery:
    app = Celery("some", broker="sqs://", set_as_current=False)
    app.conf.update(broker_transport="app.sqs.memory:Transport", broker_transport_options=options)
    return app


def asked(flower: Any, app: Celery, *names: str) -> list[dict[str, Any]]:
    """Ask as Flower's view does."""
    with app.connection() as connection:
        _ = connection.transport
        broker = flower.Broker(connection.as_uri(include_password=True), http_api=None, broker_options={})
    rows: list[dict[str, Any]] = asyncio.run(broker.queues(names))
    return rows


def test_a_queue_is_counted_and_after_it_its_dead_letters(flower: Any) -> None:
    app = application()
    for number in range(3):
        app.send_task("work", (number,), queue="mine")
    app.send_task("work", (3,), queue="mine", countdown=600)
    api = memory.MemoryApi(memory.cloud, Metrics())
    api.poll(wait_s=0, QueueUrl=api.sqs("get_queue_url", QueueName="mine")["QueueUrl"], MaxNumberOfMessages=1)

    assert asked(flower, app, "mine") == [
        {"name": "mine", "messages": 4, "messages_ready": 2, "messages_unacknowledged": 1},
        {"name": "mine-dead", "messages": 0, "messages_ready": 0, "messages_unacknowledged": 0},
    ]


def test_dead_letters_that_queues_share_are_counted_once_behind_them(flower: Any) -> None:
    app = application()
    for name in ("mine", "bulk"):
        app.send_task("work", (1,), queue=name)
    api = memory.MemoryApi(memory.cloud, Metrics())
    urls = {name: api.sqs("get_queue_url", QueueName=name)["QueueUrl"] for name in ("mine", "bulk")}
    policy = api.sqs("get_queue_attributes", QueueUrl=urls["mine"], AttributeNames=["RedrivePolicy"])["Attributes"]
    api.sqs("set_queue_attributes", QueueUrl=urls["bulk"], Attributes=policy)

    assert [row["name"] for row in asked(flower, app, "mine", "bulk")] == ["mine", "bulk", "mine-dead"]


def test_a_queue_that_is_missing_is_left_out_and_not_made(flower: Any) -> None:
    assert asked(flower, application(), "nowhere") == []
    assert not memory.cloud.queues


def test_a_queue_of_a_prefix_or_an_address_is_found_by_it(flower: Any) -> None:
    app = application(queue_name_prefix="our-")
    app.send_task("work", (1,), queue="mine")

    assert [row["name"] for row in asked(flower, app, "mine")] == ["mine", "our-mine-dead"]


def test_brokers_that_flower_knows_are_still_its_own(flower: Any) -> None:
    asked(flower, application(), "nowhere")

    assert type(flower.Broker("amqp://guest@127.0.0.1//", http_api=None)) is flower.RabbitMQ
    assert not flower_runs()


def test_a_process_without_flower_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "flower.utils.broker", raising=False)
    assert not flower_runs()
