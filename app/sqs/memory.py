"""SQS and SNS in memory, for the tests of whoever uses this transport: no server, no credentials, no waiting.

::

    app.conf.update(broker_transport="app.sqs.memory:Transport")
    cloud.clear()                       # before each test
    app.send_task("charge", (7,))
    assert cloud.depth("celery") == (1, 0, 0)
    cloud.advance(31)                   # leases run out, delays end

It behaves as SQS does in what the transport relies on, and one suite holds both to that: visibility, receive counts,
dead letters, delays, batches, FIFO groups, filtered subscriptions, and the errors. It knows no rights and keeps
messages for ever.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.sqs.api import Api
from app.sqs.errors import QueueMissing, Refused
from app.sqs.metrics import Metrics
from app.sqs.options import Options
from app.sqs.transport import Transport as AwsTransport

ACCOUNT, REGION = "000000000000", "us-east-1"
MOST_ENTRIES, CALL_BYTES = 10, 1024 * 1024
DEDUPLICATION_S = 300
_QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"


@dataclass(eq=False, slots=True)
class _Message:
    body: str
    attributes: dict[str, Any]
    group: str
    visible_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    sent_at: float = field(default_factory=time.time)
    receives: int = 0
    receipt: str = ""


@dataclass(eq=False, slots=True)
class _Queue:
    name: str
    attributes: dict[str, str]
    tags: dict[str, str]
    messages: list[_Message] = field(default_factory=list)
    sent: dict[str, float] = field(default_factory=dict)
    """When a deduplication id was last taken."""

    @property
    def redrive(self) -> tuple[str, int]:
        """Return the dead-letter queue's name and after how many receives; nowhere unless there is a policy."""
        policy = json.loads(self.attributes.get("RedrivePolicy", "{}"))
        return policy.get("deadLetterTargetArn", "").rpartition(":")[2], int(policy.get("maxReceiveCount", 0))

    def admits(self, topic: str) -> bool:
        """Return whether its policy lets SNS send what is published to ``topic``."""
        for statement in json.loads(self.attributes.get("Policy", "{}")).get("Statement", []):
            service = statement["Effect"] == "Allow" and statement["Principal"] == {"Service": "sns.amazonaws.com"}
            if service and statement["Condition"] == {"ArnEquals": {"aws:SourceArn": topic}}:
                return True
        return False


@dataclass(frozen=True, slots=True)
class _Subscription:
    topic: str
    queue: str
    attributes: dict[str, str]

    def wants(self, attributes: dict[str, Any]) -> bool:
        """Return whether the filter lets a message with ``attributes`` through."""
        policy = json.loads(self.attributes.get("FilterPolicy", "{}"))
        return all(attributes.get(name, {}).get("StringValue") in allowed for name, allowed in policy.items())


class MemoryCloud:
    """Queues and topics, shared by every `MemoryApi` on it. Safe to share between threads.

    Args:
        clock: seconds; `advance` adds to it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._ahead_s = clock, 0.0
        self.changed = threading.Condition()
        self.queues: dict[str, _Queue] = {}
        self.topics: set[str] = set()
        self.subscriptions: dict[str, _Subscription] = {}
        self._faults: dict[str, list[Exception]] = {}

    @property
    def now(self) -> float:
        """Return the time in seconds."""
        return self._clock() + self._ahead_s

    def clear(self) -> None:
        """Delete everything."""
        with self.changed:
            self.queues.clear()
            self.topics.clear()
            self.subscriptions.clear()
            self._faults.clear()

    def advance(self, seconds: float) -> None:
        """Let time pass for what SQS counts: visibility, delays."""
        with self.changed:
            self._ahead_s += seconds
            self.changed.notify_all()

    def depth(self, name: str) -> tuple[int, int, int]:
        """Return how many messages of the queue ``name`` are visible, in flight and delayed.

        Raises:
            QueueMissing: there is no such queue.
        """
        with self.changed:
            messages = self.queue(name).messages
            hidden = [message for message in messages if message.visible_at > self.now]
            in_flight = sum(message.receives > 0 for message in hidden)
            return len(messages) - len(hidden), in_flight, len(hidden) - in_flight

    def bodies(self, name: str) -> list[str]:
        """Return the messages of the queue ``name``, whoever holds them."""
        with self.changed:
            return [message.body for message in self.queue(name).messages]

    def fail(self, action: str, *errors: Exception) -> None:
        """Have the next calls of ``action`` (``send_message_batch``) raise these errors, one each."""
        with self.changed:
            self._faults.setdefault(action, []).extend(errors)

    def waiting(self, action: str) -> int:
        """Return how many errors `fail` has left for ``action``."""
        with self.changed:
            return len(self._faults.get(action, []))

    def fault(self, action: str) -> Exception | None:
        """Return what the next call of ``action`` is to raise."""
        with self.changed:
            waiting = self._faults.get(action)
            return waiting.pop(0) if waiting else None

    def queue(self, name: str) -> _Queue:
        """Return the queue ``name``, or that with this address or ARN."""
        found = self.queues.get(name.rsplit("/", 1)[-1].rpartition(":")[2])
        if found is None:
            raise QueueMissing(f"QueueDoesNotExist: {name}")
        return found


class MemoryApi(Api):
    """A way to a `MemoryCloud`; see `app.sqs.api.Api`.

    Args:
        cloud: what it calls.
        metrics: what counts the calls.
    """

    def __init__(self, cloud: MemoryCloud, metrics: Metrics) -> None:
        self._cloud, self._metrics = cloud, metrics

    def sqs(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call SQS."""
        return self._call(f"_{action}", action, parameters)

    def sns(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call SNS."""
        return self._call(f"_{action}", action, parameters)

    def poll(self, *, wait_s: int, **parameters: Any) -> list[dict[str, Any]]:
        """Receive; the wait is in the process's own time."""
        deadline = time.monotonic() + wait_s
        while True:
            messages: list[dict[str, Any]] = self.sqs("receive_message", **parameters)["Messages"]
            remaining_s = deadline - time.monotonic()
            if messages or remaining_s <= 0:
                return messages
            with self._cloud.changed:
                self._cloud.changed.wait(min(0.05, remaining_s))

    def _call(self, method: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._metrics.called(action)
        error = self._cloud.fault(action)
        if error is not None:
            self._metrics.count("errors")
            raise error
        with self._cloud.changed:
            answer: dict[str, Any] = getattr(self, method)(**parameters)
            self._cloud.changed.notify_all()
            return answer

    # -- queues ---------------------------------------------------------------------------------

    def _create_queue(
        self, QueueName: str, Attributes: dict[str, str] | None = None, tags: dict[str, str] | None = None
    ) -> dict[str, Any]:
        queues, attributes = self._cloud.queues, dict(Attributes or {})
        found = queues.setdefault(QueueName, _Queue(QueueName, attributes, dict(tags or {})))
        if any(found.attributes.get(name) != value for name, value in attributes.items()):
            raise Refused(f"QueueNameExists: {QueueName} is there with other attributes")
        return {"QueueUrl": _url(QueueName)}

    def _get_queue_url(self, QueueName: str) -> dict[str, Any]:
        return {"QueueUrl": _url(self._cloud.queue(QueueName).name)}

    def _list_queues(self, QueueNamePrefix: str = "", **_: Any) -> dict[str, Any]:
        return {"QueueUrls": [_url(name) for name in sorted(self._cloud.queues) if name.startswith(QueueNamePrefix)]}

    def _delete_queue(self, QueueUrl: str) -> dict[str, Any]:
        del self._cloud.queues[self._cloud.queue(QueueUrl).name]
        return {}

    def _purge_queue(self, QueueUrl: str) -> dict[str, Any]:
        self._cloud.queue(QueueUrl).messages.clear()
        return {}

    def _tag_queue(self, QueueUrl: str, Tags: dict[str, str]) -> dict[str, Any]:
        self._cloud.queue(QueueUrl).tags.update(Tags)
        return {}

    def _list_queue_tags(self, QueueUrl: str) -> dict[str, Any]:
        return {"Tags": dict(self._cloud.queue(QueueUrl).tags)}

    def _set_queue_attributes(self, QueueUrl: str, Attributes: dict[str, str]) -> dict[str, Any]:
        self._cloud.queue(QueueUrl).attributes.update(Attributes)
        return {}

    def _get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        queue = self._cloud.queue(QueueUrl)
        counts = zip(("", "NotVisible", "Delayed"), self._cloud.depth(queue.name), strict=True)
        known = {
            **queue.attributes,
            "QueueArn": f"{_QUEUE_ARN}{queue.name}",
            **{f"ApproximateNumberOfMessages{name}": str(count) for name, count in counts},
        }
        return {
            "Attributes": {name: known[name] for name in known if name in AttributeNames or "All" in AttributeNames}
        }

    # -- messages -------------------------------------------------------------------------------

    def _send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        queue = self._cloud.queue(QueueUrl)
        _check(Entries)
        if sum(len(entry["MessageBody"].encode()) for entry in Entries) > CALL_BYTES:
            raise Refused("BatchRequestTooLong: the messages of one call are more than 1 MiB together")
        return {"Successful": [self._send(queue, entry) for entry in Entries], "Failed": []}

    def _send(self, queue: _Queue, entry: dict[str, Any]) -> dict[str, Any]:
        message = _Message(
            entry["MessageBody"],
            entry.get("MessageAttributes", {}),
            entry.get("MessageGroupId", "") if queue.name.endswith(".fifo") else "",
            self._cloud.now + entry.get("DelaySeconds", 0),
        )
        once = entry.get("MessageDeduplicationId")
        if once is None or self._cloud.now - queue.sent.get(once, float("-inf")) > DEDUPLICATION_S:
            queue.messages.append(message)
            if once is not None:
                queue.sent[once] = self._cloud.now
        return {"Id": entry["Id"], "MessageId": message.id}

    def _receive_message(
        self, QueueUrl: str, MaxNumberOfMessages: int = 1, VisibilityTimeout: int = 30, **_: Any
    ) -> dict[str, Any]:
        queue = self._cloud.queue(QueueUrl)
        self._redrive(queue)
        now = self._cloud.now
        busy = {message.group for message in queue.messages if message.group and message.visible_at > now}
        found: list[dict[str, Any]] = []
        for message in queue.messages:
            if len(found) < MaxNumberOfMessages and message.visible_at <= now and message.group not in busy:
                message.visible_at, message.receipt = now + VisibilityTimeout, uuid.uuid4().hex
                message.receives += 1
                found.append(_received(message))
        return {"Messages": found}

    def _redrive(self, queue: _Queue) -> None:
        """Move to the dead-letter queue what is visible again and was received often enough."""
        name, most = queue.redrive
        if name not in self._cloud.queues:
            return
        for message in list(queue.messages):
            if message.receives >= most and message.visible_at <= self._cloud.now:
                queue.messages.remove(message)
                self._cloud.queues[name].messages.append(message)

    def _delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        queue = self._cloud.queue(QueueUrl)
        _check(Entries)
        for entry in Entries:
            # An old handle deletes nothing, and that counts as done.
            queue.messages = [message for message in queue.messages if message.receipt != entry["ReceiptHandle"]]
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries], "Failed": []}

    def _change_message_visibility_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        queue = self._cloud.queue(QueueUrl)
        _check(Entries)
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        held = {message.receipt: message for message in queue.messages if message.visible_at > self._cloud.now}
        for entry in Entries:
            message = held.get(entry["ReceiptHandle"])
            if message is None:
                failed = {"Code": "ReceiptHandleIsInvalid", "SenderFault": True, "Message": "it is not in flight"}
                answer["Failed"].append({"Id": entry["Id"], **failed})
                continue
            message.visible_at = self._cloud.now + entry["VisibilityTimeout"]
            answer["Successful"].append({"Id": entry["Id"]})
        return answer

    # -- topics ---------------------------------------------------------------------------------

    def _create_topic(self, Name: str) -> dict[str, Any]:
        arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:{Name}"
        self._cloud.topics.add(arn)
        return {"TopicArn": arn}

    def _subscribe(self, TopicArn: str, Endpoint: str, Attributes: dict[str, str], **_: Any) -> dict[str, Any]:
        self._topic(TopicArn)
        wanted = _Subscription(TopicArn, Endpoint.rpartition(":")[2], Attributes)
        for arn, there in self._cloud.subscriptions.items():
            if (there.topic, there.queue) == (wanted.topic, wanted.queue):
                if there.attributes != wanted.attributes:
                    raise Refused("InvalidParameter: it is subscribed with other attributes")
                return {"SubscriptionArn": arn}
        arn = f"{TopicArn}:{uuid.uuid4()}"
        self._cloud.subscriptions[arn] = wanted
        return {"SubscriptionArn": arn}

    def _unsubscribe(self, SubscriptionArn: str) -> dict[str, Any]:
        self._cloud.subscriptions.pop(SubscriptionArn, None)
        return {}

    def _list_subscriptions_by_topic(self, TopicArn: str, **_: Any) -> dict[str, Any]:
        self._topic(TopicArn)
        found = [
            {"SubscriptionArn": arn, "TopicArn": TopicArn, "Endpoint": f"{_QUEUE_ARN}{there.queue}", "Protocol": "sqs"}
            for arn, there in self._cloud.subscriptions.items()
            if there.topic == TopicArn
        ]
        return {"Subscriptions": found}

    def _publish(self, TopicArn: str, Message: str, MessageAttributes: dict[str, Any]) -> dict[str, Any]:
        self._topic(TopicArn)
        for there in self._cloud.subscriptions.values():
            queue = self._cloud.queues.get(there.queue)
            if there.topic != TopicArn or queue is None or not queue.admits(TopicArn):
                continue
            if there.wants(MessageAttributes):
                queue.messages.append(_Message(Message, MessageAttributes, "", self._cloud.now))
        return {"MessageId": str(uuid.uuid4())}

    def _topic(self, arn: str) -> None:
        if arn not in self._cloud.topics:
            raise QueueMissing(f"NotFound: topic {arn}")


def _check(entries: list[dict[str, Any]]) -> None:
    """Refuse a batch as SQS does.

    Raises:
        Refused: it is empty or has more than ten entries, or two of one id.
    """
    if not entries:
        raise Refused("EmptyBatchRequest: there is no entry")
    if len(entries) > MOST_ENTRIES:
        raise Refused(f"TooManyEntriesInBatchRequest: {len(entries)} are more than {MOST_ENTRIES}")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise Refused("BatchEntryIdsNotDistinct: two entries have one id")


def _received(message: _Message) -> dict[str, Any]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "Attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(int(message.sent_at * 1000)),
        },
        "MessageAttributes": message.attributes,
    }


def _url(name: str) -> str:
    return f"memory://sqs/{ACCOUNT}/{name}"


cloud = MemoryCloud()
"""What `Transport` calls."""


def _make_api(_: Options, metrics: Metrics) -> Api:
    return MemoryApi(cloud, metrics)


class Transport(AwsTransport):
    """The transport on this module's `cloud`."""

    make_api = staticmethod(_make_api)
