"""How queues are made: as long-lived as SQS lets them be, and none without its dead-letter queue."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from app.aws.queues import (
    MAX_RECEIVES,
    RETENTION_S,
    VISIBILITY_S,
    QueuePlan,
    arn_of,
    dead_letter_queue,
    make_queue,
    mend_queue,
    task_queue_attributes,
)
from app.sqs.errors import QueueMissing, Unavailable
from app.sqs.memory import MemoryApi, MemoryCloud
from app.sqs.metrics import Metrics

PLAN = QueuePlan(retention_s=600, visibility_s=40, max_receives=3)


@pytest.fixture
def cloud() -> MemoryCloud:
    return MemoryCloud()


@pytest.fixture
def api(cloud: MemoryCloud) -> MemoryApi:
    return MemoryApi(cloud, Metrics())


@pytest.fixture
def find(api: MemoryApi) -> Callable[[str], str | None]:
    def look(name: str) -> str | None:
        try:
            return str(api.sqs("get_queue_url", QueueName=name)["QueueUrl"])
        except QueueMissing:
            return None

    return look


@pytest.mark.parametrize(("name", "dead"), [("tasks", "tasks-dead"), ("tasks.fifo", "tasks-dead.fifo")])
def test_a_dead_letter_queue_is_named_after_its_queue_and_is_fifo_with_it(
    cloud: MemoryCloud, api: MemoryApi, name: str, dead: str
) -> None:
    assert dead_letter_queue(name) == dead

    url = make_queue(api.sqs, name, PLAN)

    assert url.endswith(f"/{name}")
    assert set(cloud.queues) == {name, dead}
    for made in cloud.queues.values():
        assert made.attributes.get("FifoQueue") == ("true" if name.endswith(".fifo") else None)


def test_a_queue_is_made_as_planned(cloud: MemoryCloud, api: MemoryApi) -> None:
    make_queue(api.sqs, "tasks", PLAN)

    made, dead = cloud.queues["tasks"].attributes, cloud.queues["tasks-dead"].attributes
    assert made["MessageRetentionPeriod"] == dead["MessageRetentionPeriod"] == "600"
    assert (made["VisibilityTimeout"], made["ReceiveMessageWaitTimeSeconds"]) == ("40", "20")
    target = arn_of(api.sqs, "memory://sqs/000000000000/tasks-dead")
    assert json.loads(made["RedrivePolicy"]) == {"deadLetterTargetArn": target, "maxReceiveCount": 3}


def test_unless_told_nothing_is_lost_over_a_long_weekend_nor_hidden_for_long() -> None:
    attributes = task_queue_attributes("tasks", QueuePlan(), "arn")

    assert int(attributes["MessageRetentionPeriod"]) == RETENTION_S == 14 * 24 * 3600
    assert int(attributes["VisibilityTimeout"]) == VISIBILITY_S == 30
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == MAX_RECEIVES == 5


def test_what_is_missing_is_made_and_what_is_there_is_set_right(
    cloud: MemoryCloud, api: MemoryApi, find: Callable[[str], str | None]
) -> None:
    api.sqs("create_queue", QueueName="tasks", Attributes={"VisibilityTimeout": "1800"})

    assert mend_queue(api.sqs, "tasks", PLAN, find) == {"tasks-dead": True, "tasks": False}
    assert cloud.queues["tasks"].attributes["VisibilityTimeout"] == "40"
    assert "RedrivePolicy" in cloud.queues["tasks"].attributes
    assert mend_queue(api.sqs, "tasks", PLAN, find) == {"tasks-dead": False, "tasks": False}


def test_what_a_queue_was_made_as_is_not_set_again(
    cloud: MemoryCloud, api: MemoryApi, find: Callable[[str], str | None]
) -> None:
    set_: list[dict[str, str]] = []

    def call(action: str, **parameters: object) -> dict[str, object]:
        if action == "set_queue_attributes":
            set_.append(parameters["Attributes"])  # type: ignore[arg-type]
        return api.sqs(action, **parameters)

    mend_queue(call, "tasks.fifo", PLAN, find)
    mend_queue(call, "tasks.fifo", PLAN, find)

    assert len(set_) == 2
    assert not [attributes for attributes in set_ if "FifoQueue" in attributes], "SQS refuses it"


def test_without_its_dead_letter_queue_no_queue_is_made(cloud: MemoryCloud, api: MemoryApi) -> None:
    cloud.fail("create_queue", Unavailable("busy"))

    with pytest.raises(Unavailable):
        make_queue(api.sqs, "tasks", PLAN)
    assert cloud.queues == {}
