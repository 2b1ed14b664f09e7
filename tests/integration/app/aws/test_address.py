"""A task queue that is named by its address is used as it is: not looked up, not made, not changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app import aws
from app.account.dead_letters import DeadLetters
from app.account.provision import provision
from app.account.status import look
from app.aws.depth import QueueReader
from app.aws.queues import dead_letter_queue
from app.errors import ConfigurationError
from app.local import EmbeddedCloud
from app.settings import Settings
from app.storage import Storage
from autoscaler.sweep.rounds import Sweep
from tasks.celery import make_app
from tests.support.recording_proxy import RecordingProxy
from web.application import create_app
from web.fleet.depths import DepthReader

LOOKED_UP_OR_MADE = {"GetQueueUrl", "ListQueues", "CreateQueue", "SetQueueAttributes", "CreateTopic"}


@pytest.fixture
def proxy(cloud: EmbeddedCloud) -> Iterator[RecordingProxy]:
    with RecordingProxy(cloud.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def sqs(config: Settings) -> Any:
    return aws.client("sqs", config.aws)


@pytest.fixture
def given(config: Settings, proxy: RecordingProxy, sqs: Any) -> Settings:
    """Settings with the addresses of the queue and the topic, which exist; its dead letters go where no name says.

    The names beside the addresses are nobody's.
    """
    url = sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
    dead = sqs.create_queue(QueueName=f"poison-of-{config.queue.name}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 5}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    sqs.send_message(QueueUrl=url, MessageBody="a task")
    for body in ("a letter", "another"):
        sqs.send_message(QueueUrl=dead, MessageBody=body)
    topic = aws.client("sns", config.aws).create_topic(Name=f"{config.queue.name}-events")["TopicArn"]
    queue = replace(config.queue, name="nobodys", url=url, topic_arn=topic, listen=False)
    return replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url), queue=queue)


def assert_only_used(proxy: RecordingProxy) -> None:
    called = {call.action for call in proxy.log}
    assert called
    assert not called & LOOKED_UP_OR_MADE


def test_both_depths_are_read_by_the_address(given: Settings, proxy: RecordingProxy) -> None:
    assert QueueReader(given).depth().visible == 1
    assert QueueReader(given, dead_letters=True).depth().visible == 2
    depths = DepthReader(given).read()
    assert depths.queue is not None
    assert (depths.queue.visible, depths.dead_letters) == (1, 2)
    assert_only_used(proxy)


def test_dead_letters_are_found_where_the_redrive_policy_sends_them(given: Settings, proxy: RecordingProxy) -> None:
    dead = DeadLetters(given)
    assert {letter.body for letter in dead.look()} == {"a letter", "another"}
    dead.redrive(Storage(given), lambda letter: letter.body == "another")
    assert [letter.body for letter in dead.look()] == ["a letter"]
    assert QueueReader(given).depth().visible == 2
    assert_only_used(proxy)


def test_without_a_redrive_policy_they_are_looked_for_beside_the_queue(
    given: Settings, sqs: Any, config: Settings
) -> None:
    sqs.set_queue_attributes(QueueUrl=given.queue.url, Attributes={"RedrivePolicy": ""})
    beside = sqs.get_queue_url(QueueName=dead_letter_queue(config.queue.name))["QueueUrl"]
    sqs.send_message(QueueUrl=beside, MessageBody="beside")
    assert [letter.body for letter in DeadLetters(given).look()] == ["beside"]


def test_the_deep_check_asks_the_queue_at_the_address(given: Settings, proxy: RecordingProxy) -> None:
    answer = create_app(given).test_client().get("/readyz")
    assert answer.get_json()["checks"]["queue"] == "ok"
    assert_only_used(proxy)
    gone = replace(given, queue=replace(given.queue, url=f"{given.queue.url}-gone"))
    assert create_app(gone).test_client().get("/readyz").status_code == 503


def test_the_status_tells_of_the_queue_at_the_address(given: Settings, proxy: RecordingProxy) -> None:
    said = {finding.what.rpartition(" ")[0]: finding.said for finding in look(given)}
    assert said["task queue"] == "1 visible, 0 in flight, 0 delayed"
    assert said["dead letters"] == "2"
    assert_only_used(proxy)


def test_a_round_of_the_sweep_uses_the_address(given: Settings, proxy: RecordingProxy) -> None:
    assert Sweep(given, make_app(given)).round(0, datetime.now(UTC)).dead_letters == 2
    assert_only_used(proxy)


def test_provision_makes_neither_a_queue_nor_a_topic_that_is_given(given: Settings, proxy: RecordingProxy) -> None:
    assert provision(given)[2:] == [
        f"task queue {given.queue.url}: given",
        f"events topic {given.queue.topic_arn}: given",
    ]
    assert_only_used(proxy)


def test_provision_says_that_a_given_queue_is_missing(given: Settings) -> None:
    gone = replace(given, queue=replace(given.queue, url=f"{given.queue.url}-gone"))
    with pytest.raises(ConfigurationError, match=r"no queue at ELASTIQ_QUEUE_URL=.*-gone"):
        provision(gone)
