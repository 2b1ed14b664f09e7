"""The queues of this process's own: to hear events and remote control, and for answers to come back on.

Whatever the reason for which one is made, it is made here: with its owner's tag, subscribed to all that it is to hear,
touched while its process lives, and deleted with whoever wanted it.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
import weakref
from collections.abc import Callable

from kombu.log import get_logger

from app.sqs.api import Api
from app.sqs.errors import QueueMissing, Refused, Unavailable
from app.sqs.fanout import Topic
from app.sqs.options import Options
from app.sqs.owner import OWNER, SEEN, TOUCH_S, owner
from app.sqs.queues import sqs_name

logger = get_logger("app.sqs")

# Who was not there to hear it does not need it.
RETENTION_S = 300
# Reply queues of other processes whose address is remembered.
MOST_OTHERS = 1000


class Listener:
    """One queue. Its methods raise `Unavailable` or `Refused` unless they say otherwise; get it from `Listeners`.

    Args:
        name: the queue's name in kombu's terms.
        api: the calls.
        prefix: what its name in SQS begins with.
        topic: what it is subscribed to.
    """

    def __init__(self, name: str, api: Api, prefix: str, topic: Topic) -> None:
        self.name, self.users = name, 0
        self.threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        """Those who used it."""
        self._api, self._prefix, self._topic = api, prefix, topic
        # Held while it is made, so that it is made once.
        self._lock = threading.RLock()
        self._url: str | None = None
        self._subscriptions: dict[str, str | None] = {}
        self._left_over: list[str] = []
        self._deleted = False

    def url(self) -> str:
        """Return its address; it is made, and subscribed to all that it is to hear, if it is missing.

        Raises:
            QueueMissing: it was deleted, as nobody needs it any more.
        """
        with self._lock:
            if self._deleted:
                raise QueueMissing(f"the listener's queue {self.name} was deleted")
            if self._url is None:
                self._url = self._make()
                self._unsubscribe(self._left_over)
            for exchange in [exchange for exchange, arn in self._subscriptions.items() if arn is None]:
                self._subscriptions[exchange] = self._subscribe(self._url, exchange)
            return self._url

    @property
    def known_url(self) -> str | None:
        """Return its address if it was made; makes no call."""
        return self._url

    def subscribe(self, exchange: str) -> None:
        """Let it hear ``exchange``. Where that is refused and it hears nothing else, it is deleted."""
        with self._lock:
            self._subscriptions.setdefault(exchange, None)
            try:
                self.url()
            except (Unavailable, Refused):
                del self._subscriptions[exchange]
                if not self._subscriptions:
                    self._discard()
                raise

    def lost(self) -> None:
        """Note that it was deleted by another; it is made anew at the next use. Raises nothing."""
        with self._lock:
            self._url = None
            self._left_over += [arn for arn in self._subscriptions.values() if arn]
            self._subscriptions = dict.fromkeys(self._subscriptions)

    def subscribe_anew(self) -> None:
        """Subscribe it to what it is to hear, as it should be already; heals what others deleted. Raises nothing."""
        with self._lock:
            self._subscriptions = dict.fromkeys(self._subscriptions)
            try:
                if self._url is not None and not self._deleted:
                    self.url()
            except (Unavailable, Refused) as err:
                logger.warning("subscribe_failed queue=%s error=%s: it is tried again", self.name, err)

    def touch(self, mark: str) -> None:
        """Say that its owner lives, and see that it hears. Raises nothing."""
        if self._url is None:
            return
        try:
            self._api.sqs("tag_queue", QueueUrl=self._url, Tags={SEEN: mark})
        except QueueMissing:
            self.lost()
        except (Unavailable, Refused) as err:
            logger.warning("touch_failed queue=%s error=%s", self.name, err)
        self.subscribe_anew()

    def delete(self) -> None:
        """Delete it for good, and its subscriptions. Raises nothing: what is left is touched no more, and swept."""
        with self._lock:
            self._deleted = True
            self._discard()

    def _discard(self) -> None:
        url = self._url
        self.lost()
        self._unsubscribe(self._left_over)
        if url is None:
            return
        try:
            self._api.sqs("delete_queue", QueueUrl=url)
        except QueueMissing:
            pass
        except (Unavailable, Refused) as err:
            logger.warning("listener_left queue=%s error=%s: it will be swept", self.name, err)

    def _make(self) -> str:
        # A reply queue is found by its name. Any other is reached through its subscription, and its name is new
        # each time: SQS does not make a queue anew within a minute of its deletion, and an old one holds old commands.
        unique = self.name if is_reply(self.name) else f"{self.name}-{uuid.uuid4().hex[:8]}"
        physical = sqs_name(self._prefix + unique)
        topic_arn = self._topic.arn
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": _queue_arn(topic_arn, physical),
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }
        attributes = {"MessageRetentionPeriod": str(RETENTION_S), "Policy": json.dumps({"Statement": [statement]})}
        tags = {OWNER: owner(), SEEN: str(int(time.time()))}
        return str(self._api.sqs("create_queue", QueueName=physical, Attributes=attributes, tags=tags)["QueueUrl"])

    def _subscribe(self, url: str, exchange: str) -> str:
        try:
            return self._subscribe_once(url, exchange)
        except QueueMissing:
            if not self._topic.lost():
                raise
            return self._subscribe_once(url, exchange)

    def _subscribe_once(self, url: str, exchange: str) -> str:
        topic_arn = self._topic.arn
        answer = self._api.sns(
            "subscribe",
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=_queue_arn(topic_arn, url.rsplit("/", 1)[-1]),
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"exchange": [exchange]})},
            ReturnSubscriptionArn=True,
        )
        return str(answer["SubscriptionArn"])

    def _unsubscribe(self, arns: list[str]) -> None:
        """End subscriptions, as far as that can be done now; a sweep ends those that have no queue any more."""
        while arns:
            try:
                self._api.sns("unsubscribe", SubscriptionArn=arns.pop())
            except QueueMissing:
                continue
            except (Unavailable, Refused) as err:
                logger.warning("subscription_left error=%s", err)
                return


class Listeners:
    """This process's own queues by name. Safe to share between threads.

    Args:
        api: the calls.
        options: the names.
        topic: what they are subscribed to.
        wall_clock: seconds that go on while the machine sleeps.
    """

    def __init__(self, api: Api, options: Options, topic: Topic, wall_clock: Callable[[], float] = time.time) -> None:
        self._api, self._prefix, self._topic = api, options.listener_prefix, topic
        self._wall_clock, self._touched_at = wall_clock, wall_clock()
        self._lock = threading.Lock()
        self._own: dict[str, Listener] = {}
        self._others: dict[str, str] = {}

    def use(self, name: str) -> Listener:
        """Return the queue ``name`` to somebody who will `leave` it; it is made at its first use."""
        with self._lock:
            listener = self._own.get(name)
            if listener is None:
                listener = self._own[name] = Listener(name, self._api, self._prefix, self._topic)
            listener.users += 1
            listener.threads.add(threading.current_thread())
            return listener

    def leave(self, name: str) -> None:
        """Delete the queue ``name`` if nobody uses it any more; a reply queue stays as long as its thread.

        SQS would not make that anew within a minute. Raises nothing.
        """
        with self._lock:
            listener = self._own.get(name)
            if listener is None:
                return
            listener.users -= 1
            if listener.users > 0 or is_reply(name):
                return
        self.delete(name)

    def delete(self, name: str) -> None:
        """Delete the queue ``name``, whoever uses it. Raises nothing."""
        with self._lock:
            listener = self._own.pop(name, None)
        if listener is not None:
            listener.delete()

    def get(self, name: str) -> Listener | None:
        """Return the queue ``name`` if it is of this process's own."""
        return self._own.get(name)

    def reply_url(self, name: str) -> str | None:
        """Return the address of a reply queue, this process's own or another's; None when it is gone.

        Raises:
            Unavailable, Refused: it could not be looked up.
        """
        listener = self._own.get(name)
        url = listener.known_url if listener is not None else self._others.get(name)
        if url is None:
            try:
                url = str(self._api.sqs("get_queue_url", QueueName=sqs_name(self._prefix + name))["QueueUrl"])
            except QueueMissing:
                return None
            if len(self._others) >= MOST_OTHERS:
                self._others.clear()
            self._others[name] = url
        return url

    def lost(self, name: str) -> None:
        """Note that the queue ``name`` was deleted by another. Raises nothing."""
        self._others.pop(name, None)
        listener = self._own.get(name)
        if listener is not None:
            listener.lost()

    def touch_if_due(self) -> None:
        """Say on every queue that its owner lives, ten minutes after the last time. Raises nothing.

        By the wall clock: after a suspend it is due at once.
        """
        now = self._wall_clock()
        if 0 <= now - self._touched_at < TOUCH_S:
            return
        self._touched_at = now
        for listener in list(self._own.values()):
            listener.touch(str(int(now)))

    def subscribe_anew(self) -> None:
        """Subscribe every queue to what it is to hear; the topic was deleted and made again. Raises nothing."""
        for listener in list(self._own.values()):
            listener.subscribe_anew()

    def reap(self) -> None:
        """Delete the reply queues that nobody uses and whose threads have ended: Celery has one for each thread.

        Raises nothing.
        """
        for name, listener in list(self._own.items()):
            if is_reply(name) and listener.users <= 0 and not any(thread.is_alive() for thread in listener.threads):
                self.delete(name)

    def close(self) -> None:
        """Delete every queue of this process's own. Raises nothing."""
        with self._lock:
            own, self._own = list(self._own.values()), {}
        for listener in own:
            listener.delete()


def is_reply(name: str) -> bool:
    """Return whether ``name`` is a queue that answers to remote control come back on."""
    return ".reply." in name


def _queue_arn(topic_arn: str, physical: str) -> str:
    """Return the ARN of a queue that is beside the topic: in its region, of its account."""
    partition, _, region, account = topic_arn.split(":")[1:5]
    return f"arn:{partition}:sqs:{region}:{account}:{physical}"
