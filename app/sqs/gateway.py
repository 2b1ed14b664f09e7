"""One process's way to SQS and SNS, whatever the number of its connections: built here, and asked by verbs."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from kombu.log import get_logger

from app.sqs import background, wire
from app.sqs.abandoned import Abandoned
from app.sqs.api import POLL_GRACE_S, Api, AwsApi
from app.sqs.errors import QueueMissing, Refused, Unavailable
from app.sqs.fanout import Fanout, Topic
from app.sqs.leases import Lease, Leases
from app.sqs.listeners import Listeners, is_reply
from app.sqs.metrics import Metrics, metrics
from app.sqs.options import Options
from app.sqs.outbox import LINGER_S, Outbox
from app.sqs.poller import SHORT_POLLS, Poller
from app.sqs.queues import Queues
from app.sqs.receiver import Received, Receiver, Source
from app.sqs.sender import Sender
from app.sqs.sweep import ListenerSweep

logger = get_logger("app.sqs")

WATCH_S = 1.0
CLOSE_S = 10.0
# The pause of a message that its task rejected: 1 s, doubled with each receive.
LONGEST_BACKOFF_S = 60

MakeApi = Callable[[Options, Metrics], Api]


class Gateway:
    """What a channel asks. Get it with `gateway`; a forked child gets one of its own.

    Attributes:
        options: what it was told.
        fanout: publishes events and commands.
        listeners: this process's own queues.
    """

    def __init__(self, options: Options, make_api: MakeApi = AwsApi) -> None:
        self.options = options
        self._api = make_api(options, metrics)
        self._leases = Leases(self._api, options.visibility_timeout)
        self._outbox = Outbox(self._api, self._leases)
        self._sender = Sender(self._api, options.publish_timeout)
        self._queues = Queues(self._api, options)
        self._topic = Topic(self._api, options)
        self.listeners = Listeners(self._api, options, self._topic)
        self.fanout = Fanout(
            self._api, options, self._topic, self.listeners.subscribe_anew, lambda: self._leases.busy, self._more_comes
        )
        self._abandoned = Abandoned()
        self._pollers: set[Poller] = set()
        self._pid = os.getpid()
        self._stopped = threading.Event()
        background.start("sqs-watchdog", self._watch, self._stopped)
        atexit.register(self.close)

    # -- queues ---------------------------------------------------------------------------------

    def url(self, queue: str) -> str:
        """Return the address of a task queue, or of a queue of this process's own; made if it is missing."""
        listener = self.listeners.get(queue)
        return listener.url() if listener is not None else self._queues.url(queue)

    def exists(self, queue: str) -> bool:
        """Return whether there is a queue of this name; none is made.

        Raises:
            Unavailable, Refused: it could not be looked up.
        """
        if self.listeners.get(queue) is not None:
            return True
        return self.listeners.reply_url(queue) is not None if is_reply(queue) else self._queues.exists(queue)

    def size(self, queue: str) -> int:
        """Return how many messages of a queue are visible, as SQS counts them."""
        name = "ApproximateNumberOfMessages"
        answer = self._api.sqs("get_queue_attributes", QueueUrl=self.url(queue), AttributeNames=[name])
        return int(answer["Attributes"][name])

    def purge(self, queue: str) -> None:
        """Delete every message of a queue."""
        self._api.sqs("purge_queue", QueueUrl=self.url(queue))

    # -- messages -------------------------------------------------------------------------------

    def send(self, queue: str, entry: dict[str, Any]) -> None:
        """Send one message; a queue that was deleted since we looked is made anew.

        Raises:
            Unavailable, Refused: SQS did not take it.
        """
        self._sender.send(self.url(queue), entry, lambda: self._anew(queue))

    def reply(self, queue: str, entry: dict[str, Any]) -> bool:
        """Send an answer to whoever waits for it at ``queue``; return False when that is gone."""
        for _ in range(2):
            url = self.listeners.reply_url(queue)
            if url is None:
                return False
            try:
                self._sender.send(url, entry)
                return True
            except QueueMissing:
                self.listeners.lost(queue)
        return False

    def delete(self, lease: Lease, linger_s: float = LINGER_S) -> bool:
        """Delete a message, within ``linger_s`` seconds, with others; return False if it is not held any more."""
        if not self._leases.holds(lease):
            return False
        self._outbox.delete(lease, linger_s)
        self.fanout.settled()
        return True

    def give_back(self, lease: Lease, after_s: int = 0) -> None:
        """Let a message be received again, by anyone, in ``after_s`` seconds; not one that is done."""
        self._outbox.give_back(lease, after_s)
        self.fanout.settled()

    def hand_back(self, queue: str, received: Received) -> None:
        """Let a message be received again whose task never began.

        Receives count towards the dead letters, whoever made them; so one that was handed back often is sent anew, and
        never becomes a dead letter without having been tried. Not on a FIFO queue, where it would lose its place.
        """
        lease = received.lease
        often = lease.receive_count > 1 and lease.receive_count + 1 >= self.options.max_receive_count
        if not often or queue.endswith(".fifo") or not self._leases.holds(lease):
            self._outbox.give_back(lease)
            return
        try:
            self._resend(queue, received.envelope, lease, 0)
        except (Unavailable, Refused) as err:
            logger.warning("handed_back_as_it_is queue=%s message_id=%s error=%s", queue, lease.message_id, err)
            self._outbox.give_back(lease)

    def reject(self, lease: Lease) -> None:
        """Give up on this attempt: the message comes again after a pause that grows.

        SQS moves it to the dead-letter queue once it has been received often enough. Where there is no
        dead-letter queue it is then deleted, and that is logged.
        """
        metrics.count("rejected")
        spent = lease.receive_count >= self.options.max_receive_count
        if spent and self._queues.most_receives(lease.queue_url) is None:
            text = "message_discarded message_id=%s receives=%d: its queue has no dead-letter queue"
            logger.error(text, lease.message_id, lease.receive_count)
            self._outbox.delete(lease)
        else:
            pause_s = min(LONGEST_BACKOFF_S, 2 ** (lease.receive_count - 1))
            self._outbox.give_back(lease, 0 if spent else pause_s)
        self.fanout.settled()

    def when_abandoned(self, message: Any, lease: Lease, then: Callable[[], object]) -> None:
        """Call ``then``, in another thread, if everybody lets go of ``message`` before its lease is settled."""
        lease.watch = self._abandoned.watch(message, then)

    # -- receiving ------------------------------------------------------------------------------

    def consume(self, queue: str, *, room: Callable[[], int], ready: Callable[[], None]) -> Poller:
        """Start a poller and watch over it until it has ended."""
        transient = self.listeners.get(queue) is not None
        # What is heard comes now and then, and a listener polls as long as it lives.
        short_polls = 0 if transient and not is_reply(queue) else SHORT_POLLS
        poller = Poller(
            queue, self._source(queue), room=room, ready=ready, transient=transient, short_polls=short_polls
        )
        self._pollers.add(poller)
        return poller

    def receive_one(self, queue: str) -> Received | None:
        """Return one message that is there now, or None.

        Raises:
            Unavailable, Refused: the call failed.
        """
        found = Receiver(queue, self._source(queue)).receive(count=1, wait_s=0)
        return found[0] if found else None

    def unreadable(self, queue: str, lease: Lease, err: Exception) -> None:
        """Leave a message that nobody can read to the dead-letter queue."""
        Receiver(queue, self._source(queue)).unreadable(lease, err)

    def _source(self, queue: str) -> Source:
        listener = self.listeners.get(queue)
        return Source(
            # A listener's queue that was deleted meanwhile is not to be taken for a task queue, nor made anew.
            url=listener.url if listener is not None else lambda: self._queues.url(queue),
            lost=listener.lost if listener is not None else lambda: self._queues.forget(queue),
            poll=self._api.poll,
            hold=self._leases.add,
            give_back=self._outbox.give_back,
            hand_back=lambda received: self.hand_back(queue, received),
            reject=self.reject,
            most_receives=self._queues.most_receives,
            resend=lambda envelope, lease, seconds: self._resend(queue, envelope, lease, seconds),
            visibility_s=self.options.visibility_timeout,
            longest_wait_s=self.options.wait_time_seconds,
        )

    def _resend(self, queue: str, envelope: dict[str, Any], lease: Lease, seconds: float) -> None:
        again = f"-{lease.receive_count}-{lease.message_id}"[:60]
        base64_body = self.options.sqs_base64_encoding
        entry = wire.entry(queue, envelope, seconds=seconds, base64_body=base64_body, again=again)
        self._sender.send(lease.queue_url, entry)
        self._outbox.delete(lease)

    def _anew(self, queue: str) -> str:
        self._queues.forget(queue)
        self.listeners.lost(queue)
        return self.url(queue)

    # -- its life -------------------------------------------------------------------------------

    @property
    def ours(self) -> bool:
        """Return whether this is the process that made it; a forked child's copy has no threads."""
        return self._pid == os.getpid()

    @property
    def closed(self) -> bool:
        """Return whether it has been closed."""
        return self._stopped.is_set()

    def sweep(self, sweep: ListenerSweep) -> list[str]:
        """Delete listeners' queues whose owner is gone; return their names.

        Raises:
            Unavailable, Refused: a call failed.
        """
        return sweep.round(self._api, self._topic.arn)

    def close(self) -> None:
        """Give back all that is held, send what waits, wait for polls under way, delete this process's own queues."""
        if self.closed or not self.ours:
            return
        self._stopped.set()
        for poller in list(self._pollers):
            poller.stop()
        # A message that the server hands to a poll under way would stay hidden until its lease ends.
        deadline = time.monotonic() + self.options.wait_time_seconds + POLL_GRACE_S
        for poller in [poller for poller in list(self._pollers) if not poller.transient]:
            poller.join(max(0.0, deadline - time.monotonic()))
        for lease in self._leases.all():
            self._outbox.give_back(lease)
        if not self._outbox.flush(CLOSE_S):
            logger.error("closed_unflushed: some acknowledgements were not sent; those messages will come again")
        self.fanout.flush(2)
        self.listeners.close()
        for part in (self._leases, self._outbox, self.fanout, self._abandoned):
            part.stop()

    def _more_comes(self) -> bool:
        """Return whether the next poll will bring messages."""
        return any(poller.more_waits for poller in list(self._pollers) if not poller.transient)

    def _watch(self) -> None:
        self._stopped.wait(WATCH_S)
        for poller in list(self._pollers):
            if poller.ended:
                self._pollers.discard(poller)
            else:
                poller.revive()
                poller.hand_back_what_waits()
        self.listeners.touch_if_due()
        self.listeners.reap()


_gateways: dict[tuple[int, Options, MakeApi], Gateway] = {}
_lock = threading.Lock()


def _in_a_child() -> None:
    """Use no lock, connection or thread of the process that forked this one."""
    global _lock
    _lock = threading.Lock()
    _gateways.clear()


os.register_at_fork(after_in_child=_in_a_child)


def gateway(options: Options, make_api: MakeApi = AwsApi) -> Gateway:
    """Return this process's gateway for ``options``, made at the first call."""
    key = (os.getpid(), options, make_api)
    with _lock:
        if key not in _gateways or _gateways[key].closed:
            _gateways[key] = Gateway(options, make_api)
        return _gateways[key]
