"""The topic of completions hears of every batch, with what a subscriber can choose by, and again until it takes it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import aws
from app.batches.marks import ANNOUNCED, Marks
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.batches.telling import Telling
from app.dispatch import Dispatch
from app.domain import Classification, Failure, Prediction, new_batch_id
from app.errors import ConfigurationError
from app.settings import HookSettings, Settings
from app.storage import Storage
from autoscaler.sweep.channels import CompletionTopic, Webhook, state_of
from autoscaler.sweep.completed import LONGEST_PAUSE_S, Completed
from tasks.celery import make_app
from tests.support.photographs import chelsea
from tests.support.webhooks import receiver
from web.batches.orders import Orders

NOW = datetime(2026, 11, 28, 10, 16, tzinfo=UTC)


class Subscriber:
    """A topic, and a queue that hears it."""

    def __init__(self, config: Settings, suffix: str = "") -> None:
        self._sns, self._sqs = aws.client("sns", config.aws), aws.client("sqs", config.aws)
        name = f"completions-{os.urandom(4).hex()}{suffix}"
        topic, queue = ({"FifoTopic": "true"}, {"FifoQueue": "true"}) if suffix else ({}, {})
        self.arn = self._sns.create_topic(Name=name, Attributes=topic)["TopicArn"]
        self._url = self._sqs.create_queue(QueueName=name, Attributes=queue)["QueueUrl"]
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        arn = found["Attributes"]["QueueArn"]
        lets = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn,
        }  # fmt: skip
        policy = {"Policy": json.dumps({"Statement": [lets]})}
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes=policy)
        self._sns.subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=arn)

    def heard(self) -> list[dict[str, Any]]:
        """Take what has come, or comes within a second, each as SNS wraps it."""
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


class Case:
    """A batch of one image, made as web makes one, and who sweeps, whose time the test tells."""

    def __init__(self, config: Settings, arn: str) -> None:
        self.config, self.now = replace(config, hooks=HookSettings(topic_arn=arn)), 0.0
        self.storage, self.id = Storage(config), new_batch_id(NOW, os.urandom(4))
        self.orders().make(BatchRecord(self.id))
        self.storage.put_image(f"{self.id}/a.png", chelsea(), "image/png")
        self.restart()

    def orders(self) -> Orders:
        app = make_app(self.config)
        telling = Telling(app, Dispatch(app, "test"))
        return Orders(self.config, self.storage, Records(self.config), telling, lambda keys: None)

    def restart(self) -> None:
        topic = CompletionTopic(self.config.hooks, self.config.aws)
        self.completed = Completed(self.config, Records(self.config), topic)

    def finish(self) -> None:
        self.storage.save(Classification.of(f"{self.id}/a.png", [Prediction("tabby", 0.9)], "m"))

    def rounds(self, count: int = 4) -> None:
        """Make rounds so far apart that all is due."""
        for _ in range(count):
            self.now += LONGEST_PAUSE_S
            self.completed.round(self.now, NOW + timedelta(seconds=self.now))

    def waited_for(self) -> list[str]:
        return list(Marks(self.config, ANNOUNCED).names())


@pytest.fixture(params=["", ".fifo"], ids=["standard", "fifo"])
def subscriber(config: Settings, request: pytest.FixtureRequest) -> Subscriber:
    return Subscriber(config, request.param)


def test_the_topic_hears_once_of_a_batch_for_which_nobody_asked_anything(
    config: Settings, subscriber: Subscriber
) -> None:
    case = Case(config, subscriber.arn)
    case.rounds()
    assert subscriber.heard() == []
    case.finish()
    case.rounds()
    (heard,) = subscriber.heard()
    told = json.loads(heard["Message"])
    assert (told["id"], told["type"], told["batch"]) == (f"completed-{case.id}", "batch.completed", case.id)
    assert told["counts"] == {"total": 1, "waiting": 0, "done": 1, "failed": 0, "cancelled": 0}
    assert {name: kept["Value"] for name, kept in heard["MessageAttributes"].items()} == {
        "batch": case.id, "state": "done",
    }  # fmt: skip
    case.restart()
    case.rounds()
    assert subscriber.heard() == []
    assert case.waited_for() == []


def test_a_topic_that_is_gone_is_told_of_and_published_to_once_it_is_there(
    config: Settings, subscriber: Subscriber
) -> None:
    case = Case(config, subscriber.arn)
    there, case.config = case.config, replace(case.config, hooks=HookSettings(topic_arn=f"{subscriber.arn[:-6]}x"))
    case.restart()
    case.finish()
    case.rounds()
    assert case.completed.untold == 1
    assert case.waited_for() == [case.id]
    case.config = there
    case.restart()
    case.rounds()
    assert [json.loads(heard["Message"])["batch"] for heard in subscriber.heard()] == [case.id]
    assert case.completed.untold == 0


def test_a_topic_that_is_gone_is_an_error_that_names_the_setting(config: Settings) -> None:
    arn = "arn:aws:sns:us-east-1:000000000000:nowhere"
    told = {"id": "completed-x", "counts": {"waiting": 0, "failed": 0, "cancelled": 0}}
    with pytest.raises(ConfigurationError, match="ELASTIQ_COMPLETION_TOPIC_ARN"):
        CompletionTopic(HookSettings(topic_arn=arn), config.aws).send(BatchRecord(new_batch_id(NOW, bytes(4))), told)


def test_webhook_and_topic_tell_the_same_and_neither_waits_for_the_other(
    config: Settings, subscriber: Subscriber
) -> None:
    case = Case(config, subscriber.arn)
    with receiver() as hook:
        hook.statuses = [500] * 2
        both = HookSettings(secret="secret", hosts=hook.host, topic_arn=subscriber.arn)
        case.config = replace(case.config, hooks=both)
        case.id = new_batch_id(NOW, os.urandom(4))
        case.orders().make(BatchRecord(case.id, webhook=f"{hook.host}/hook"))
        case.storage.save(Failure.of(f"{case.id}/a.png", "cut short"))
        by_hook = Completed(case.config, Records(case.config), Webhook(both, config.aws))
        case.restart()
        for _ in range(6):
            by_hook.round(case.now, NOW + timedelta(seconds=case.now))
            case.rounds(1)
        (heard,) = subscriber.heard()
        assert heard["MessageAttributes"]["state"]["Value"] == "failed"
        assert len(hook.messages) == 3
        assert {json.loads(body)["completed_at"] for _, _, body in hook.messages} == {
            json.loads(heard["Message"])["completed_at"]
        }


def test_without_a_topic_no_batch_costs_a_call(config: Settings) -> None:
    case = Case(config, "")
    assert case.waited_for() == []


@pytest.mark.parametrize(
    ("counts", "problem", "state"),
    [
        ({"done": 3}, "", "done"),
        ({"done": 3, "failed": 1}, "", "failed"),
        ({"waiting": 1}, "the bucket is gone", "failed"),
        ({"failed": 1, "cancelled": 1}, "", "cancelled"),
    ],
)
def test_a_state_is_the_worst_that_became_of_an_image(counts: dict[str, int], problem: str, state: str) -> None:
    told = {"counts": {"waiting": 0, "done": 0, "failed": 0, "cancelled": 0, **counts}, "problem": problem}
    assert state_of(told) == state
