"""What the transport relies on in SQS and SNS: the fake that ships and the embedded cloud do the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from app.aws.queues import QueuePlan, arn_of, dead_letter_queue, make_queue
from app.local import EmbeddedCloud
from app.sqs.api import Api, AwsApi
from app.sqs.errors import QueueMissing, Refused
from app.sqs.memory import MemoryApi, MemoryCloud
from app.sqs.metrics import Metrics
from app.sqs.options import Options
from tests.support.waiting import wait_for

VISIBILITY_S = 2


@dataclass(frozen=True)
class Side:
    """One implementation and a name of this test's own; ``pass_time`` lets what is hidden come back."""

    api: Api
    name: str
    pass_time: Callable[[float], None]

    def queue(self, name: str = "", **plan: Any) -> str:
        return make_queue(self.api.sqs, f"{self.name}{name}", QueuePlan(**plan))

    def send(self, url: str, *bodies: str, **extra: Any) -> dict[str, Any]:
        entries = [{"Id": str(n), "MessageBody": body, **extra} for n, body in enumerate(bodies)]
        return self.api.sqs("send_message_batch", QueueUrl=url, Entries=entries)

    def receive(self, url: str, count: int = 10, visibility_s: int = VISIBILITY_S) -> list[dict[str, Any]]:
        return self.api.poll(
            wait_s=0,
            QueueUrl=url,
            MaxNumberOfMessages=count,
            VisibilityTimeout=visibility_s,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )

    def receive_once_visible(self, url: str, within_s: float = VISIBILITY_S) -> list[dict[str, Any]]:
        self.pass_time(within_s + 0.1)
        return wait_for(lambda: self.receive(url), within_s + 5)

    def settle(self, action: str, url: str, *receipts: str, **extra: Any) -> dict[str, Any]:
        entries = [{"Id": str(n), "ReceiptHandle": receipt, **extra} for n, receipt in enumerate(receipts)]
        return self.api.sqs(f"{action}_batch", QueueUrl=url, Entries=entries)

    def let_in(self, topic: str, url: str, arn: str) -> None:
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = {"Policy": json.dumps({"Statement": [allowed]})}
        self.api.sqs("set_queue_attributes", QueueUrl=url, Attributes=policy)

    def counts(self, url: str) -> tuple[int, ...]:
        found = self.api.sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return tuple(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible", "Delayed"))


@pytest.fixture(params=["memory", "ministack"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    name = f"c{uuid4().hex[:8]}"
    if request.param == "memory":
        memory = MemoryCloud()
        yield Side(MemoryApi(memory, Metrics()), name, memory.advance)
    else:
        cloud: EmbeddedCloud = request.getfixturevalue("cloud")
        yield Side(AwsApi(Options(endpoint_url=cloud.endpoint_url), Metrics()), name, lambda seconds: None)


def test_a_queue_is_found_by_its_name_once_it_is_made(side: Side) -> None:
    with pytest.raises(QueueMissing):
        side.api.sqs("get_queue_url", QueueName=side.name)
    url = side.queue()
    assert side.api.sqs("get_queue_url", QueueName=side.name)["QueueUrl"] == url
    assert url.endswith(f"/{side.name}")


def test_making_the_same_queue_twice_finds_it_and_another_one_of_its_name_is_refused(side: Side) -> None:
    url = side.queue()
    assert side.queue() == url
    with pytest.raises(Refused):
        side.queue(visibility_s=77)


def test_queues_are_listed_by_prefix(side: Side) -> None:
    urls = {side.queue("-a"), side.queue("-b")}
    found = side.api.sqs("list_queues", QueueNamePrefix=f"{side.name}-", MaxResults=1000)["QueueUrls"]
    assert {url for url in found if "-dead" not in url} == urls


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("send_message_batch", {"Entries": [{"Id": "0", "MessageBody": "x"}]}),
        ("delete_message_batch", {"Entries": [{"Id": "0", "ReceiptHandle": "x"}]}),
        ("change_message_visibility_batch", {"Entries": [{"Id": "0", "ReceiptHandle": "x", "VisibilityTimeout": 0}]}),
        ("get_queue_attributes", {"AttributeNames": ["All"]}),
        ("tag_queue", {"Tags": {"a": "b"}}),
        ("list_queue_tags", {}),
        ("delete_queue", {}),
        ("receive_message", {"WaitTimeSeconds": 0}),
    ],
)
def test_every_call_says_when_the_queue_is_gone(side: Side, action: str, parameters: dict[str, Any]) -> None:
    url = side.queue()
    side.api.sqs("delete_queue", QueueUrl=url)
    with pytest.raises(QueueMissing):
        side.api.sqs(action, QueueUrl=url, **parameters)


def test_tags_are_kept_and_changed(side: Side) -> None:
    made = side.api.sqs("create_queue", QueueName=side.name, Attributes={}, tags={"owner": "me", "seen": "1"})
    side.api.sqs("tag_queue", QueueUrl=made["QueueUrl"], Tags={"seen": "2"})
    assert side.api.sqs("list_queue_tags", QueueUrl=made["QueueUrl"])["Tags"] == {"owner": "me", "seen": "2"}


def test_a_received_message_is_hidden_and_comes_again_with_a_higher_count_and_another_handle(side: Side) -> None:
    url = side.queue()
    side.send(url, "one")
    (first,) = side.receive(url)
    assert side.receive(url) == []
    assert side.counts(url) == (0, 1, 0)
    (second,) = side.receive_once_visible(url)
    assert (first["Body"], second["Body"], first["MessageId"]) == ("one", "one", second["MessageId"])
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    counts = [int(message["Attributes"]["ApproximateReceiveCount"]) for message in (first, second)]
    assert counts == [1, 2]


def test_no_more_come_than_were_asked_for(side: Side) -> None:
    url = side.queue()
    side.send(url, *map(str, range(7)))
    assert len(side.receive(url, 3)) == 3
    assert len(side.receive(url, 10)) == 4


def test_a_deleted_message_is_gone_and_an_old_handle_deletes_nothing(side: Side) -> None:
    url = side.queue()
    side.send(url, "one", "two")
    first, second = side.receive(url)
    answer = side.settle("delete_message", url, first["ReceiptHandle"])
    assert [entry["Id"] for entry in answer["Successful"]] == ["0"]
    (again,) = side.receive_once_visible(url)
    assert again["Body"] == second["Body"]
    side.settle("delete_message", url, second["ReceiptHandle"])
    assert sum(side.counts(url)) == 1


def test_visibility_can_be_shortened_and_prolonged(side: Side) -> None:
    url = side.queue()
    side.send(url, "one", "two")
    first, second = side.receive(url)
    side.settle("change_message_visibility", url, first["ReceiptHandle"], VisibilityTimeout=0)
    side.settle("change_message_visibility", url, second["ReceiptHandle"], VisibilityTimeout=60)
    (again,) = side.receive(url, visibility_s=60)
    assert again["Body"] == first["Body"]
    side.pass_time(VISIBILITY_S + 1)
    assert side.receive(url) == []


def test_a_handle_that_never_was_fails_alone_and_as_the_senders_fault(side: Side) -> None:
    url = side.queue()
    side.send(url, "one")
    (message,) = side.receive(url)
    answer = side.settle("change_message_visibility", url, message["ReceiptHandle"], "nonsense", VisibilityTimeout=9)
    assert [entry["Id"] for entry in answer["Successful"]] == ["0"]
    assert [(entry["Id"], entry["SenderFault"]) for entry in answer["Failed"]] == [("1", True)]


def test_what_failed_too_often_is_in_the_dead_letter_queue(side: Side) -> None:
    url = side.queue(max_receives=1)
    side.send(url, "poison")
    (message,) = side.receive(url)
    side.settle("change_message_visibility", url, message["ReceiptHandle"], VisibilityTimeout=0)
    assert side.receive(url) == []
    dead = side.api.sqs("get_queue_url", QueueName=dead_letter_queue(side.name))["QueueUrl"]
    assert [message["Body"] for message in side.receive(dead)] == ["poison"]


def test_a_delayed_message_comes_when_it_is_due(side: Side) -> None:
    url = side.queue()
    side.send(url, "later", DelaySeconds=VISIBILITY_S)
    assert side.receive(url) == []
    assert side.counts(url) == (0, 0, 1)
    assert [message["Body"] for message in side.receive_once_visible(url)] == ["later"]


def test_a_purge_deletes_what_is_there(side: Side) -> None:
    url = side.queue()
    side.send(url, "one", "two")
    side.receive(url, 1)
    side.api.sqs("purge_queue", QueueUrl=url)
    assert side.counts(url) == (0, 0, 0)


@pytest.mark.parametrize("ids", [[], list(range(11)), [1, 1]])
def test_a_batch_that_sqs_would_not_take_is_refused(side: Side, ids: list[int]) -> None:
    url = side.queue()
    entries = [{"Id": str(id), "MessageBody": "x"} for id in ids]
    with pytest.raises(Refused):
        side.api.sqs("send_message_batch", QueueUrl=url, Entries=entries)


def test_a_fifo_queue_drops_what_it_was_sent_before_and_keeps_the_order_of_a_group(side: Side) -> None:
    url = side.queue(".fifo")
    for id in ("a", "b", "a"):
        side.send(url, id, MessageGroupId="g", MessageDeduplicationId=id)
    (first,) = side.receive(url, 1)
    assert first["Body"] == "a"
    assert side.receive(url) == [], "the group waits for its first"
    side.settle("delete_message", url, first["ReceiptHandle"])
    assert [message["Body"] for message in side.receive(url)] == ["b"]


def test_a_subscription_hears_what_its_filter_lets_through_until_it_ends(side: Side) -> None:
    topic = side.api.sns("create_topic", Name=side.name)["TopicArn"]
    assert side.api.sns("create_topic", Name=side.name)["TopicArn"] == topic
    url = side.queue()
    arn = arn_of(side.api.sqs, url)
    side.let_in(topic, url, arn)
    wanted = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"exchange": ["events"]})}
    subscribed = side.api.sns(
        "subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=wanted, ReturnSubscriptionArn=True
    )["SubscriptionArn"]

    def publish(text: str, exchange: str) -> None:
        attributes = {"exchange": {"DataType": "String", "StringValue": exchange}}
        side.api.sns("publish", TopicArn=topic, Message=text, MessageAttributes=attributes)

    publish("not for it", "commands")
    publish("heard", "events")
    assert [message["Body"] for message in wait_for(lambda: side.receive(url), 5)] == ["heard"]
    found = side.api.sns("list_subscriptions_by_topic", TopicArn=topic)["Subscriptions"]
    assert [(one["SubscriptionArn"], one["Endpoint"]) for one in found] == [(subscribed, arn)]
    side.api.sns("unsubscribe", SubscriptionArn=subscribed)
    publish("too late", "events")
    assert side.receive(url) == []


def test_a_queue_whose_policy_does_not_let_the_topic_in_hears_nothing(side: Side) -> None:
    topic = side.api.sns("create_topic", Name=side.name)["TopicArn"]
    open_, shut = side.queue("-open"), side.queue("-shut")
    for url in (open_, shut):
        arn = arn_of(side.api.sqs, url)
        side.api.sns(
            "subscribe",
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
            ReturnSubscriptionArn=True,
        )
    side.let_in(topic, open_, arn_of(side.api.sqs, open_))
    side.api.sns("publish", TopicArn=topic, Message="x", MessageAttributes={})
    wait_for(lambda: side.receive(open_), 5)
    assert side.receive(shut) == []


def test_a_topic_that_is_not_there_is_said_to_be(side: Side) -> None:
    topic = side.api.sns("create_topic", Name=side.name)["TopicArn"]
    with pytest.raises(QueueMissing):
        side.api.sns("publish", TopicArn=f"{topic}x", Message="x", MessageAttributes={})
