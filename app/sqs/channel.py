"""kombu's channel in SQS's terms: queues, consumers, acknowledgements, and what is published where."""

from __future__ import annotations

import time
import weakref
from collections import deque
from datetime import UTC, datetime
from typing import Any

from amqp.protocol import queue_declare_ok_t
from kombu.exceptions import InconsistencyError
from kombu.log import get_logger
from kombu.transport import virtual
from kombu.utils.uuid import uuid

from app.sqs import wire
from app.sqs.api import QueueMissing
from app.sqs.fanout import EVENT_EXCHANGE
from app.sqs.leases import BATCH, Lease
from app.sqs.metrics import metrics
from app.sqs.poller import Poller, Received, delayed
from app.sqs.queues import is_reply

logger = get_logger("app.sqs")

# How much work may lie ready beyond the prefetch window: what a worker does in this time.
READ_AHEAD_S = 1.0
# What lies ready where the consumer sets no limit.
MOST_UNLIMITED = 100


class Channel(virtual.Channel):
    """One channel; its unacknowledged messages are leases in the gateway."""

    supports_fanout = True

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.gateway = connection.gateway
        self.pollers: dict[str, Poller] = {}
        self._transient: set[str] = set()
        self._no_ack: set[str] = set()
        self._callbacks: dict[str, Any] = {}
        self._unacked: dict[str, Lease] = {}
        self._acked_at: deque[float] = deque(maxlen=50)
        self.notify = connection.notify
        self.touched_at = time.monotonic()

    # -- queues ---------------------------------------------------------------------------------

    def _new_queue(self, queue: str, auto_delete: bool = False, exclusive: bool = False, **_: Any) -> None:
        if auto_delete or exclusive:
            self._transient.add(queue)
            self.gateway.queues.listener_url(queue, self.gateway.fanout.topic_arn)
        else:
            self.gateway.queues.url(queue)

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return self.gateway.queues.reply_url(queue) is not None

    def queue_declare(self, queue: str | None = None, passive: bool = False, **kwargs: Any) -> Any:
        """Find or make a queue; its size costs a call and is asked for only by a passive declaration."""
        if passive:
            return super().queue_declare(queue, passive=True, **kwargs)
        queue = queue or f"amq.gen-{uuid()}"
        self._new_queue(queue, **kwargs)
        return queue_declare_ok_t(queue, 0, 0)

    def _size(self, queue: str) -> int:
        name = "ApproximateNumberOfMessages"
        url = self._url(queue)
        answer = self.gateway.api.sqs("get_queue_attributes", QueueUrl=url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def _purge(self, queue: str) -> int:
        size = self._size(queue)
        self.gateway.api.sqs("purge_queue", QueueUrl=self._url(queue))
        return size

    def _delete(self, queue: str, *_: Any, **__: Any) -> None:
        if self.gateway.queues.is_listener(queue):
            self.gateway.fanout.unsubscribe(queue)
            self.gateway.queues.delete_listener(queue)

    def after_reply_message_received(self, queue: str) -> None:
        """Keep the reply queue: SQS would not make it anew within a minute. It goes with its process."""

    def _url(self, queue: str) -> str:
        if queue in self._transient:
            return str(self.gateway.queues.listener_url(queue, self.gateway.fanout.topic_arn))
        return str(self.gateway.queues.url(queue))

    # -- exchanges ------------------------------------------------------------------------------

    def typeof(self, exchange: str, default: str = "direct") -> Any:
        """Return the exchange's kind; events are fanned out whatever Celery declared."""
        return self.exchange_types["fanout"] if exchange == EVENT_EXCHANGE else super().typeof(exchange, default)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: Any, queue: str) -> None:
        if self.typeof(exchange).type == "fanout":
            self.gateway.fanout.subscribe(queue, self._url(queue), exchange)

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        """Return the queues that a message goes to: those bound in this process, else the one its routing key names.

        The reply queue of a remote control call is bound in the caller's process and known here by its name alone.
        """
        found: list[str] = super()._lookup(exchange, routing_key, default)
        return found or [f"{routing_key}.{exchange}" if exchange.startswith("reply.") else routing_key]

    # -- publishing -----------------------------------------------------------------------------

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        properties = message["properties"]
        attributes = properties.pop("message_attributes", None)
        asked_s = float(properties.get("delay_seconds") or properties.get("DelaySeconds") or 0)
        seconds = max(asked_s, wire.seconds_until_eta(message, datetime.now(UTC)))
        entry = delayed(queue, message, None, seconds, self.gateway.options)
        if attributes:
            entry["MessageAttributes"] = attributes
        try:
            self.gateway.sender.send(self._destination(queue), entry)
        except QueueMissing:
            # It was deleted since we looked; `_destination` makes it anew or says why not.
            self.gateway.queues.forget(queue)
            self.gateway.sender.send(self._destination(queue), entry)

    def _destination(self, queue: str) -> str:
        if not is_reply(queue):
            return self._url(queue)
        url: str | None = self.gateway.queues.reply_url(queue)
        if url is None:
            raise InconsistencyError(f"reply queue {queue} is gone: nobody waits for this answer")
        return url

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str, **_: Any) -> None:
        if self.gateway.options.fanout:
            self.gateway.fanout.publish(exchange, message)

    # -- consuming ------------------------------------------------------------------------------

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **_: Any) -> None:
        """Start a poller for ``queue``."""
        self._tag_to_queue[consumer_tag] = queue
        self._active_queues.append(queue)
        self._consumers.add(consumer_tag)
        self._callbacks[queue] = callback
        if no_ack:
            self._no_ack.add(queue)
        self.pollers[queue] = Poller(
            self.gateway, queue, transient=queue in self._transient, room=self._room, ready=self.notify
        )

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop the poller; what it holds is visible again at once."""
        if consumer_tag not in self._consumers:
            return
        self._consumers.discard(consumer_tag)
        queue = self._tag_to_queue.pop(consumer_tag)
        self._active_queues.remove(queue)
        self._callbacks.pop(queue, None)
        self._no_ack.discard(queue)
        poller = self.pollers.pop(queue, None)
        if poller is not None and self.gateway.ours:
            poller.stop()

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        """Set how many messages may be delivered and not yet acknowledged; 0 is no limit."""
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        self._work_changed()

    def deliver_one(self) -> bool:
        """Hand one message to its consumer, in the calling thread; return whether there was one and it was allowed."""
        window = self.qos.prefetch_count
        if window and len(self._unacked) >= window:
            return False
        for queue, poller in list(self.pollers.items()):
            try:
                received = poller.buffer.popleft()
            except IndexError:
                continue
            # Next time another queue comes first.
            self.pollers[queue] = self.pollers.pop(queue)
            self._deliver(queue, received)
            return True
        return False

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Any:
        """Return one message, or None at once."""
        poller = Poller(self.gateway, queue, transient=queue in self._transient, room=lambda: 0, ready=self.notify)
        try:
            poller.receive(count=1, wait_s=0)
            received = poller.buffer.popleft() if poller.buffer else None
        finally:
            poller.stop()
        return None if received is None else self._message(received, no_ack)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Delete the message; the call is made within some milliseconds, with others."""
        lease = self._settle(delivery_tag)
        if lease is not None and self.gateway.leases.holds(lease):
            self.gateway.outbox.delete(lease)
            self._acked_at.append(time.monotonic())
        self._work_changed()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Let the message be received again: at once, or (not to be requeued) as `Gateway.reject` says."""
        lease = self._settle(delivery_tag)
        if lease is not None and requeue:
            self.gateway.outbox.give_back(lease)
        elif lease is not None:
            self.gateway.reject(lease)
        self._work_changed()

    def basic_recover(self, requeue: bool = False) -> None:
        """Give back all that was delivered and not acknowledged."""
        for tag in list(self._unacked):
            self.basic_reject(tag, requeue=True)

    def close(self) -> None:
        """Cancel the consumers. What was delivered stays leased: its task may be running, and will acknowledge it."""
        if self.closed:
            return
        self.closed = True
        for consumer in list(self._consumers):
            self.basic_cancel(consumer)
        if self.connection is not None:
            self.connection.close_channel(self)

    # -- what a drain asks ----------------------------------------------------------------------

    @property
    def tasks(self) -> bool:
        """Return whether a task queue is consumed here, not only listeners' queues."""
        return bool(self._lasting())

    @property
    def holding(self) -> bool:
        """Return whether a task queue's message is delivered and not acknowledged, or buffered."""
        return bool(self._unacked) or any(poller.buffer for poller in self._lasting())

    @property
    def busy(self) -> bool:
        """Return whether a message is held, or may be on its way from a poll."""
        return self.holding or any(poller.polling for poller in self._lasting())

    def _lasting(self) -> list[Poller]:
        return [poller for poller in list(self.pollers.values()) if not poller.transient]

    # -- inner ----------------------------------------------------------------------------------

    def _room(self) -> int:
        """Return how many messages may be asked for: enough for a full batch, or for what would stand idle."""
        buffered = sum(len(poller.buffer) for poller in list(self.pollers.values()))
        window = int(self.qos.prefetch_count)
        if not window:
            return BATCH if buffered < MOST_UNLIMITED else 0
        unacked = len(self._unacked)
        capacity = window + self._read_ahead()
        free: int = capacity - unacked - buffered
        starving = not buffered and unacked < window
        return free if starving or free >= min(BATCH, capacity) else 0

    def _read_ahead(self) -> int:
        """Return how many messages to hold beyond the window: as many as are done in a second, none while unknown."""
        if len(self._acked_at) < 10:
            return 0
        rate = len(self._acked_at) / max(0.001, time.monotonic() - self._acked_at[0])
        return min(int(self.gateway.options.read_ahead), int(rate * READ_AHEAD_S))

    def _deliver(self, queue: str, received: Received) -> None:
        callback = self._callbacks.get(queue)
        if callback is None:  # cancelled meanwhile
            self.gateway.outbox.give_back(received.lease)
            return
        try:
            message = self._message(received, queue in self._no_ack)
        except ValueError as err:
            self.pollers[queue].unreadable(received.lease, err)
            return
        self.touched_at = time.monotonic()
        callback(message)

    def _message(self, received: Received, no_ack: bool) -> Any:
        envelope, lease = received.envelope, received.lease
        properties = envelope["properties"]
        properties["delivery_tag"] = lease.receipt
        info = properties.setdefault("delivery_info", {})
        info.setdefault("exchange", "")
        info["redelivered"] = lease.receive_count > 1
        message = self.Message(envelope, channel=self)
        if no_ack:
            self.gateway.outbox.delete(lease)
        else:
            self._unacked[lease.receipt] = lease
            # A message that everybody has let go of without a word (a worker that stops drops what its pool had not
            # begun) is visible again at once.
            lease.watch = weakref.ref(message, lambda _: self._abandoned(lease))
        return message

    def _abandoned(self, lease: Lease) -> None:
        if self._settle(lease.receipt) is not None and self.gateway.ours:
            metrics.count("abandoned")
            self.gateway.outbox.give_back(lease)

    def _settle(self, delivery_tag: str) -> Lease | None:
        lease = self._unacked.pop(delivery_tag, None)
        if lease is not None:
            lease.watch = None
            self.touched_at = time.monotonic()
        return lease

    def _work_changed(self) -> None:
        """Let the loop deliver what waits, and the pollers look for room."""
        waiting = False
        for poller in list(self.pollers.values()):
            waiting = waiting or bool(poller.buffer)
            poller.wake()
        if waiting:
            self.notify()
