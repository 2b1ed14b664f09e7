"""Events and remote control: published to one SNS topic, that every listener's queue is subscribed to."""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from kombu.log import get_logger

from app.sqs import background, wire
from app.sqs.api import Api
from app.sqs.errors import QueueMissing, Refused, Unavailable
from app.sqs.metrics import metrics
from app.sqs.options import Options

logger = get_logger("app.sqs")

EVENT_EXCHANGE = "celeryev"
# Of SNS's 256 KiB a call, with room for what base64 adds.
MESSAGE_BYTES = 150_000
MOST_EVENTS = 10_000


class Topic:
    """The SNS topic: found or made at its first use, and anew when it was deleted. Safe to share between threads."""

    def __init__(self, api: Api, options: Options) -> None:
        self._api, self._name = api, options.queue_name_prefix + options.topic
        self._given, self._arn = options.topic_arn, options.topic_arn
        self._lock = threading.Lock()

    @property
    def arn(self) -> str:
        """Return its ARN; it is made unless it was given.

        Raises:
            Unavailable, Refused: it could not be made.
        """
        with self._lock:
            if self._arn is None:
                self._arn = str(self._api.sns("create_topic", Name=self._name)["TopicArn"])
            return self._arn

    def lost(self) -> bool:
        """Note that it was deleted; return whether it is made anew at its next use. One that was given is not ours."""
        with self._lock:
            self._arn = self._given
            return self._given is None


class Fanout:
    """Publishes to every listener.

    A command is published at once. Events are gathered: several of one routing key become one message that holds
    a list of them, which Celery's receivers take, and at most one round of calls is made per ``event_interval``.
    Events that cannot be published are dropped, counted, in the end: no work depends on them.

    Args:
        api: the calls.
        options: how often to publish.
        topic: where to.
        anew: called once the topic, which was deleted, is there again.
    """

    def __init__(self, api: Api, options: Options, topic: Topic, anew: Callable[[], object]) -> None:
        self._api, self._options, self._topic, self._anew = api, options, topic, anew
        self._lock = threading.Lock()
        self._events: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MOST_EVENTS)
        self._ready = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._stopped = threading.Event()
        self._trouble = background.Trouble("event_publish")
        self._thread: threading.Thread | None = None
        self.before_publish: Callable[[], object] = lambda: None
        """Called by the event thread before each round: a dispatcher's flush."""

    def publish(self, exchange: str, envelope: dict[str, Any]) -> None:
        """Publish to all that listen to ``exchange``.

        Raises:
            Unavailable, Refused: a command could not be published. An event raises nothing.
        """
        if exchange != EVENT_EXCHANGE:
            self._publish(exchange, envelope)
            return
        if len(self._events) == MOST_EVENTS:
            metrics.count("events_dropped")
        self._events.append((exchange, envelope))
        self.wake()

    def wake(self) -> None:
        """Make a round soon: there are events, here or behind `before_publish`."""
        self._idle.clear()
        if self._thread is None:
            self._start()
        self._ready.set()

    def flush(self, timeout_s: float) -> bool:
        """Publish the events that wait; return whether all were within ``timeout_s``."""
        return self._idle.wait(timeout_s)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._ready.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = background.start("sqs-events", self._step, self._stopped)

    def _step(self) -> None:
        self._ready.wait(60)
        self._ready.clear()
        self.before_publish()
        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        while self._events:
            exchange, envelope = self._events.popleft()
            key = (exchange, str(envelope["properties"]["delivery_info"].get("routing_key", "")))
            groups.setdefault(key, []).append(envelope)
        for (exchange, _), envelopes in groups.items():
            for envelope in merged(envelopes):
                self._publish_event(exchange, envelope)
        if not self._ready.is_set():
            self._idle.set()
        self._stopped.wait(self._options.event_interval)

    def _publish_event(self, exchange: str, envelope: dict[str, Any]) -> None:
        try:
            self._publish(exchange, envelope)
            self._trouble.over()
        except (Unavailable, Refused) as err:
            metrics.count("events_dropped")
            time.sleep(self._trouble.failed(err))

    def _publish(self, exchange: str, envelope: dict[str, Any]) -> None:
        try:
            self._publish_once(exchange, envelope)
        except QueueMissing:
            if not self._topic.lost():
                raise
            self._publish_once(exchange, envelope)
            self._anew()
        metrics.count("published")

    def _publish_once(self, exchange: str, envelope: dict[str, Any]) -> None:
        self._api.sns(
            "publish",
            TopicArn=self._topic.arn,
            Message=wire.encode(envelope, base64_body=False),
            MessageAttributes={"exchange": {"DataType": "String", "StringValue": exchange}},
        )


def merged(envelopes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of one routing key as few messages, each holding a JSON list of events."""
    if len(envelopes) == 1:
        return envelopes
    messages: list[dict[str, Any]] = []
    bodies: list[str] = []
    size = 0
    for envelope in envelopes:
        text = _text(envelope).strip()
        text = text[1:-1] if text.startswith("[") else text
        if bodies and size + len(text) > MESSAGE_BYTES:
            messages.append(_listed(envelopes[0], bodies))
            bodies, size = [], 0
        bodies.append(text)
        size += len(text)
    messages.append(_listed(envelopes[0], bodies))
    return messages


def _text(envelope: dict[str, Any]) -> str:
    body: str = envelope["body"]
    return base64.b64decode(body).decode() if envelope["properties"].get("body_encoding") == "base64" else body


def _listed(like: dict[str, Any], bodies: list[str]) -> dict[str, Any]:
    properties = {**like["properties"], "body_encoding": None}
    return {**like, "body": f"[{','.join(body for body in bodies if body)}]", "properties": properties}
