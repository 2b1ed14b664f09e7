"""kombu's channel in SQS's terms: queues, consumers, acknowledgements, and what is published where."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from amqp.protocol import queue_declare_ok_t
from kombu.exceptions import ChannelError, InconsistencyError
from kombu.log import get_logger
from kombu.transport import virtual
from kombu.utils.uuid import uuid

from app.sqs import wire
from app.sqs.fanout import EVENT_EXCHANGE
from app.sqs.gateway import Gateway
from app.sqs.leases import BATCH, Lease
from app.sqs.listeners import is_reply
from app.sqs.metrics import metrics
from app.sqs.outbox import LINGER_S, PATIENT_S
from app.sqs.poller import Poller
from app.sqs.receiver import Received

logger = get_logger("app.sqs")

# How much work may lie ready beyond the prefetch window: what a worker does in this time.
READ_AHEAD_S = 1.0
# What lies ready where the consumer sets no limit.
MOST_UNLIMITED = 100


@dataclass(eq=False, slots=True)
class _Consumed:
    """A queue that is consumed here: its poller, and its consumers by tag, that take turns."""

    poller: Poller
    background: bool
    consumers: dict[str, _Consumer] = field(default_factory=dict)

    def next(self) -> _Consumer:
        """Return the consumer whose turn it is."""
        tag = next(iter(self.consumers))
        self.consumers[tag] = self.consumers.pop(tag)
        return self.consumers[tag]


@dataclass(frozen=True, slots=True)
class _Consumer:
    callback: Any
    no_ack: bool


class Channel(virtual.Channel):
    """One channel; its unacknowledged messages are leases in the gateway."""

    supports_fanout = True

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self._transport = connection
        self._gateway: Gateway = connection.gateway
        self._consumed: dict[str, _Consumed] = {}
        self._transient: set[str] = set()
        self._unacked: dict[str, Lease] = {}
        # Those of them that came from a background queue.
        self._background: set[str] = set()
        self._acked_at: deque[float] = deque(maxlen=50)
        self.notify = connection.notify
        self.touched_at = time.monotonic()

    @property
    def gateway(self) -> Gateway:
        """Return what it asks; in a process that was forked since, that one's own."""
        if not self._gateway.ours:
            self._gateway = self._transport.gateway
            self._consumed, self._unacked, self._transient, self._background = {}, {}, set(), set()
        return self._gateway

    # -- queues ---------------------------------------------------------------------------------

    def _new_queue(self, queue: str, auto_delete: bool = False, exclusive: bool = False, **_: Any) -> None:
        if (auto_delete or exclusive) and queue not in self._transient:
            self._transient.add(queue)
            self.gateway.listeners.use(queue)
        self.gateway.url(queue)

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return bool(self.gateway.exists(queue))

    def queue_declare(self, queue: str | None = None, passive: bool = False, **kwargs: Any) -> Any:
        """Find or make a queue; its size costs a call and is asked for only by a passive declaration."""
        if passive:
            return super().queue_declare(queue, passive=True, **kwargs)
        queue = queue or f"amq.gen-{uuid()}"
        self._new_queue(queue, **kwargs)
        return queue_declare_ok_t(queue, 0, 0)

    def _size(self, queue: str) -> int:
        return int(self.gateway.size(queue))

    def _purge(self, queue: str) -> int:
        size = self._size(queue)
        self.gateway.purge(queue)
        return size

    def _delete(self, queue: str, *_: Any, **__: Any) -> None:
        self.gateway.listeners.delete(queue)

    def after_reply_message_received(self, queue: str) -> None:
        """Keep the reply queue: SQS would not make it anew within a minute. It goes with its process."""

    # -- exchanges ------------------------------------------------------------------------------

    def typeof(self, exchange: str, default: str = "direct") -> Any:
        """Return the exchange's kind; events are fanned out whatever Celery declared."""
        return self.exchange_types["fanout"] if exchange == EVENT_EXCHANGE else super().typeof(exchange, default)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: Any, queue: str) -> None:
        if self.typeof(exchange).type == "fanout":
            listener = self.gateway.listeners.get(queue)
            if listener is None:
                raise ChannelError(
                    f"{queue} cannot hear {exchange}: declare it with auto_delete=True or exclusive=True"
                )
            listener.subscribe(exchange)

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
        until_eta_s = wire.seconds_until_eta(message, datetime.now(UTC))
        if until_eta_s > 0 and queue.endswith(".fifo") and self.gateway.options.max_receive_count == 1:
            raise ChannelError(f"{queue} holds no task until its ETA: one receive makes a dead letter of it")
        seconds = max(asked_s, until_eta_s)
        entry = wire.entry(queue, message, seconds=seconds, base64_body=self.gateway.options.sqs_base64_encoding)
        if attributes:
            entry["MessageAttributes"] = attributes
        if not is_reply(queue):
            self.gateway.send(queue, entry)
        elif not self.gateway.reply(queue, entry):
            raise InconsistencyError(f"reply queue {queue} is gone: nobody waits for this answer")

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str, **_: Any) -> None:
        if self.gateway.options.fanout:
            self.gateway.fanout.publish(exchange, message)

    # -- consuming ------------------------------------------------------------------------------

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **_: Any) -> None:
        """Consume ``queue``: its first consumer starts a poller, any other shares that and takes turns."""
        self._tag_to_queue[consumer_tag] = queue
        self._active_queues.append(queue)
        self._consumers.add(consumer_tag)
        consumed = self._consumed.get(queue)
        if consumed is None:
            background = queue in self.gateway.options.background_queues
            room = self._room_behind if background else self._room
            poller = self.gateway.consume(queue, room=room, ready=self.notify)
            consumed = self._consumed[queue] = _Consumed(poller, background)
        consumed.consumers[consumer_tag] = _Consumer(callback, no_ack)

    def basic_cancel(self, consumer_tag: str) -> None:
        """End a consumer; with the last one the poller stops, and what it holds is visible again at once."""
        if consumer_tag not in self._consumers:
            return
        self._consumers.discard(consumer_tag)
        queue = self._tag_to_queue.pop(consumer_tag)
        self._active_queues.remove(queue)
        consumed = self._consumed[queue]
        del consumed.consumers[consumer_tag]
        if not consumed.consumers:
            del self._consumed[queue]
            if self.gateway.ours:
                consumed.poller.stop()

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        """Set how many messages may be delivered and not yet acknowledged; 0 is no limit."""
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        self._work_changed()

    def deliver_one(self) -> bool:
        """Hand one message to its consumer, in the calling thread; return whether there was one and it was allowed."""
        window = self.qos.prefetch_count
        if window and len(self._unacked) >= window:
            return False
        for queue, consumed in sorted(self._consumed.items(), key=lambda item: item[1].background):
            try:
                received = consumed.poller.buffer.popleft()
            except IndexError:
                continue
            # Next time another queue comes first.
            self._consumed[queue] = self._consumed.pop(queue)
            self._deliver(consumed, received)
            return True
        return False

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Any:
        """Return one message, or None at once."""
        received = self.gateway.receive_one(queue)
        if received is None:
            return None
        try:
            return self._message(queue, received, no_ack)
        except Exception as err:
            self.gateway.unreadable(queue, received.lease, err)
            return None

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Delete the message; the call is made soon, with others."""
        lease = self._settle(delivery_tag)
        if lease is not None and self.gateway.delete(lease):
            self._acked_at.append(time.monotonic())
        self._work_changed()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Let the message be received again: at once, or (not to be requeued) as `Gateway.reject` says."""
        lease = self._settle(delivery_tag)
        if lease is not None and requeue:
            self.gateway.give_back(lease)
        elif lease is not None:
            self.gateway.reject(lease)
        self._work_changed()

    def basic_recover(self, requeue: bool = False) -> None:
        """Give back all that was delivered and not acknowledged."""
        for tag in list(self._unacked):
            self.basic_reject(tag, requeue=True)

    def close(self) -> None:
        """Cancel the consumers, and delete the listeners' queues that were declared here and nobody else uses.

        What was delivered stays leased: its task may be running, and will acknowledge it.
        """
        if self.closed:
            return
        self.closed = True
        for consumer in list(self._consumers):
            self.basic_cancel(consumer)
        if self.gateway.ours:
            for queue in self._transient:
                self.gateway.listeners.leave(queue)
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

    @property
    def pollers(self) -> list[Poller]:
        """Return the pollers of the queues that are consumed here."""
        return [consumed.poller for consumed in list(self._consumed.values())]

    def _lasting(self) -> list[Poller]:
        return [poller for poller in self.pollers if not poller.transient]

    # -- inner ----------------------------------------------------------------------------------

    def _room(self) -> int:
        """Return how many messages may be asked for: enough for a full batch, or for what would stand idle.

        What background queues have brought takes up none of it: whatever they hold, the others are listened to.
        """
        return self._room_beside(self._buffered(background=False), len(self._unacked) - len(self._background))

    def _room_behind(self) -> int:
        """Return the same for background queues: what all others leave, and nothing while one of these has to wait."""
        waiting = self._buffered(background=False)
        return 0 if waiting else self._room_beside(self._buffered(background=True), len(self._unacked))

    def _buffered(self, *, background: bool) -> int:
        consumed = list(self._consumed.values())
        return sum(len(one.poller.buffer) for one in consumed if one.background == background)

    def _room_beside(self, buffered: int, unacked: int) -> int:
        window = int(self.qos.prefetch_count)
        if not window:
            return BATCH if buffered < MOST_UNLIMITED else 0
        capacity = window + self._read_ahead()
        free: int = capacity - unacked - buffered
        starving = not buffered and unacked < window
        return free if starving or free >= min(BATCH, capacity) else 0

    def _read_ahead(self) -> int:
        """Return how many messages to hold beyond the window: as many as are done in a second.

        None while that is unknown, and none while the tasks that run take longer.
        """
        if len(self._acked_at) < 10 or time.monotonic() - self._acked_at[-1] > READ_AHEAD_S:
            return 0
        rate = len(self._acked_at) / max(0.001, time.monotonic() - self._acked_at[0])
        return min(int(self.gateway.options.read_ahead), int(rate * READ_AHEAD_S))

    def _deliver(self, consumed: _Consumed, received: Received) -> None:
        consumer = consumed.next()
        try:
            # Not for so long that its lease would have to be extended, which is done after a third of it.
            patient_s = min(PATIENT_S, 0.3 * self.gateway.options.visibility_timeout)
            linger_s = patient_s if consumed.poller.transient else LINGER_S
            message = self._message(consumed.poller.name, received, consumer.no_ack, linger_s)
            if consumed.background and not consumer.no_ack:
                self._background.add(received.lease.receipt)
        except Exception as err:  # whatever an odd envelope does, the next message is delivered
            consumed.poller.receiver.unreadable(received.lease, err)
            return
        self.touched_at = time.monotonic()
        consumer.callback(message)

    def _message(self, queue: str, received: Received, no_ack: bool, linger_s: float = LINGER_S) -> Any:
        envelope, lease = received.envelope, received.lease
        properties = envelope["properties"]
        properties["delivery_tag"] = lease.receipt
        info = properties.setdefault("delivery_info", {})
        info.setdefault("exchange", "")
        info["redelivered"] = lease.receive_count > 1
        # A task finds them as ``self.request.receives``, ``sent_at`` and ``received_at``.
        told = {"receives": lease.receive_count, "sent_at": lease.sent_at, "received_at": lease.received_at}
        envelope.setdefault("headers", {}).update(told)
        message = self.Message(envelope, channel=self)
        if no_ack:
            self.gateway.delete(lease, linger_s)
        else:
            self._unacked[lease.receipt] = lease
            # A message that everybody has let go of without a word (a worker that stops drops what its pool had not
            # begun) is visible again at once.
            self.gateway.when_abandoned(message, lease, lambda: self._abandoned(queue, received))
        return message

    def _abandoned(self, queue: str, received: Received) -> None:
        if self._settle(received.lease.receipt) is not None:
            metrics.count("abandoned")
            self.gateway.hand_back(queue, received)

    def _settle(self, delivery_tag: str) -> Lease | None:
        lease = self._unacked.pop(delivery_tag, None)
        self._background.discard(delivery_tag)
        if lease is not None:
            lease.watch = None
            self.touched_at = time.monotonic()
        return lease

    def _work_changed(self) -> None:
        """Let the loop deliver what waits, and the pollers look for room."""
        waiting = False
        for poller in self.pollers:
            waiting = waiting or bool(poller.buffer)
            poller.wake()
        if waiting:
            self.notify()
