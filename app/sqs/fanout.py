"""Events and remote control: published to one SNS topic, that every listener's queue is subscribed to."""

from __future__ import annotations

import base64
import threading
import time
import zlib
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
# Events are alike: a tenth is left of a long list, and of the work to send it. A consumer of kombu's unpacks it by its
# header. The quickest level leaves little more than others do.
COMPRESSED_FROM, LEVEL, PACKED_AS = 4096, 1, "application/x-gzip"
# Before a round that is to be made at once: so what belongs together, as that a task is done too, is one message.
LINGER_S = 0.005
# Events are gathered for this share of the time for which they have come, up to so many intervals: a message costs a
# call here, and more at each listener, and who has long been waiting for the last of many is told in larger pieces.
SHARE, PATIENCE = 0.25, 6


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


class Pace:
    """How long to gather: a share of the time for which such events have come without a pause, within bounds.

    Args:
        interval_s: the least, in seconds; the most is `PATIENCE` times that.
    """

    def __init__(self, interval_s: float) -> None:
        self._least_s, self._most_s = interval_s, PATIENCE * interval_s
        self._since = self._last = float("-inf")

    def gap_s(self, now: float) -> float:
        """Return the seconds between two rounds, now (monotonic) that there is such an event."""
        if now - self._last > 2 * self._most_s:
            self._since = now
        self._last = now
        return min(self._most_s, max(self._least_s, SHARE * (now - self._since)))


class Fanout:
    """Publishes to every listener.

    A command is published at once. Events are gathered, so that several become one message that holds a list of them,
    which Celery's receivers take. While more are about to follow, as messages are held here, rounds of publishing are
    as far apart as `Pace` says; once nothing is held, what has been gathered goes at once.
    Events that cannot be published are dropped, counted, in the end: no work depends on them.

    Args:
        api: the calls.
        options: how often to publish.
        topic: where to.
        anew: called once the topic, which was deleted, is there again.
        held: returns whether messages are held whose events are to come.
        coming: returns whether more messages are about to come.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        api: Api,
        options: Options,
        topic: Topic,
        anew: Callable[[], object],
        held: Callable[[], bool],
        coming: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._interval_s, self._topic = api, options.event_interval, topic
        self._anew, self._held, self._coming, self._clock = anew, held, coming, clock
        self._events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._changed = threading.Condition()
        # When the next round is due and when the last began, in monotonic seconds.
        self._due: float | None = None
        self._last = float("-inf")
        # Of all events, and of those that somebody waits for.
        self._pace, self._hasty = Pace(self._interval_s), Pace(self._interval_s)
        self._publishing = False
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
        self._events.append(envelope)
        if threading.current_thread() is not self._thread:  # what `before_publish` brings goes with the round under way
            self.gather()

    def gather(self) -> None:
        """Make a round within the pace: there are events, here or behind `before_publish`."""
        if self._due is not None:  # that round takes them along
            return
        now = self._clock()
        more = self._held() or self._coming()
        self._due_by(now + (self._pace.gap_s(now) if more else LINGER_S))

    def hasten(self) -> None:
        """Make the round for what was gathered now, if the last was long enough ago: somebody waits for it."""
        now = self._clock()
        self._due_by(max(now + LINGER_S, self._last + self._hasty.gap_s(now)))

    def settled(self) -> None:
        """Make the round for what was gathered now, unless more is about to follow: a message is done."""
        if self._due is not None and not self._held():
            self._due_by(self._clock() + (self._interval_s if self._coming() else LINGER_S))

    def flush(self, timeout_s: float) -> bool:
        """Publish the events that wait; return whether all were within ``timeout_s``."""
        if self._events or self._due is not None:
            self._due_by(self._clock())
        with self._changed:
            return self._changed.wait_for(lambda: self._due is None and not self._publishing, timeout_s)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _due_by(self, at: float) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = background.start("sqs-events", self._step, self._stopped)
            if self._due is None or at < self._due:
                self._due = at
                self._changed.notify_all()

    def _step(self) -> None:
        if not self._await_round():
            return
        try:
            self.before_publish()
            envelopes = []
            while self._events:
                envelopes.append(self._events.popleft())
            for envelope in merged(envelopes):
                self._publish_event(envelope)
        finally:
            with self._changed:
                self._publishing = False
                self._changed.notify_all()

    def _await_round(self) -> bool:
        """Return True when a round is due, which is then under way; False when stopped."""
        with self._changed:
            while not self._stopped.is_set():
                now = self._clock()
                if self._due is not None and self._due <= now:
                    # What is gathered while this round is published waits from here, too.
                    self._due, self._last, self._publishing = None, now, True
                    return True
                self._changed.wait(60 if self._due is None else self._due - now)
            return False

    def _publish_event(self, envelope: dict[str, Any]) -> None:
        try:
            self._publish(EVENT_EXCHANGE, envelope)
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
    """Return events as few messages, each holding a JSON list of them.

    Their routing keys may differ: every listener of the exchange hears all.
    """
    if len(envelopes) < 2:
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
    text = f"[{','.join(body for body in bodies if body)}]"
    if len(text) < COMPRESSED_FROM:
        return {**like, "body": text, "properties": {**like["properties"], "body_encoding": None}}
    packed = base64.b64encode(zlib.compress(text.encode(), LEVEL)).decode()
    headers = {**like.get("headers", {}), "compression": PACKED_AS}
    return {**like, "body": packed, "headers": headers, "properties": {**like["properties"], "body_encoding": "base64"}}
