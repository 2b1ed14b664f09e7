"""A thread that receives from one queue for one consumer, never more than can be held, and is never deaf for long."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kombu.log import get_logger

from app.sqs import background, wire
from app.sqs.api import POLL_GRACE_S, QueueMissing, Refused, Unavailable
from app.sqs.leases import BATCH, Lease
from app.sqs.metrics import metrics

if TYPE_CHECKING:
    from app.sqs.gateway import Gateway

logger = get_logger("app.sqs")

LONGEST_HIDE_S = 43_000
# A task whose ETA is far off is hidden again and again; this many receives are left to its real attempts.
MOST_HIDES = 2
# After work was there, the queue is asked with short waits for a while: an answer that does not come is noticed sooner.
SHORT_WAIT_S, SHORT_POLLS = 1, 2


@dataclass(eq=False, slots=True)
class Received:
    """A message on its way to a consumer."""

    envelope: dict[str, Any]
    lease: Lease


class Poller:
    """Receives from one queue into ``buffer``.

    Args:
        gateway: the calls and the leases.
        name: the queue's name.
        transient: whether it is a listener's queue, which no drain waits for.
        room: returns how many messages may be asked for now.
        ready: called (from the thread) after messages were put into ``buffer``.
    """

    def __init__(
        self, gateway: Gateway, name: str, *, transient: bool, room: Callable[[], int], ready: Callable[[], None]
    ) -> None:
        self.name, self.transient = name, transient
        self.buffer: deque[Received] = deque()
        self.paused = False
        self.last_wait_until: float | None = None
        """When set (monotonic seconds), no poll is made to wait beyond it."""
        self._gateway, self._room, self._ready = gateway, room, ready
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._trouble = background.Trouble(f"poll queue={name}")
        self._empty_polls = 0
        self._generation = 0
        self._overdue_at: float | None = None
        self._asked = 0
        self._start()

    @property
    def polling(self) -> int:
        """Return how many messages a poll under way may bring; 0 when none is."""
        return self._asked

    @property
    def stopped(self) -> bool:
        """Return whether it was stopped."""
        return self._stopped.is_set()

    def wake(self) -> None:
        """Look again for room, or for a changed order."""
        self._wake.set()

    def receive(self, count: int, wait_s: int) -> None:
        """Receive once, in the calling thread.

        Raises:
            Unavailable, Refused: the call failed.
        """
        self._take(self._poll(count, wait_s), wanted=True)

    def unreadable(self, lease: Lease, err: ValueError) -> None:
        """Leave a message that nobody can read to the dead-letter queue."""
        metrics.count("unreadable")
        logger.error("message_unreadable queue=%s message_id=%s error=%s", self.name, lease.message_id, err)
        self._gateway.reject(lease)

    def pause(self, paused: bool = True) -> None:
        """Make no further poll until told otherwise; one under way goes on."""
        self.paused = paused
        self._wake.set()

    def stop(self) -> None:
        """End; what is in the buffer, and what a poll under way brings, is given back at once."""
        self._stopped.set()
        self._wake.set()
        self._give_back_buffer()

    def join(self, timeout_s: float) -> None:
        """Wait until the poll under way has ended."""
        self._thread.join(timeout_s)
        self._gateway.pollers.discard(self)

    def revive(self) -> None:
        """Start a new thread in place of one that died or whose call is long overdue."""
        if self._stopped.is_set():
            if not self._thread.is_alive():
                self._gateway.pollers.discard(self)
            return
        overdue = self._overdue_at is not None and time.monotonic() > self._overdue_at
        if overdue or not self._thread.is_alive():
            metrics.count("pollers_restarted")
            logger.error("poller_restarted queue=%s reason=%s", self.name, "overdue" if overdue else "died")
            self._generation += 1
            self._overdue_at, self._asked = None, 0
            self._start()

    def _start(self) -> None:
        name = f"sqs-poll-{self.name}"
        self._thread = threading.Thread(target=self._run, args=(self._generation,), name=name, daemon=True)
        self._thread.start()
        # From here on the watchdog looks at it.
        self._gateway.pollers.add(self)

    def _run(self, generation: int) -> None:
        while not self._stopped.is_set() and generation == self._generation:
            count = min(BATCH, self._room())
            # Said before the pause is looked at: whoever pauses and then asks misses no poll.
            self._asked = 0 if self.paused else max(0, count)
            if count < 1 or self.paused:
                self._asked = 0
                self._wake.wait(1)
                self._wake.clear()
                continue
            self._turn(generation, count)

    def _turn(self, generation: int, count: int) -> None:
        """Poll once and take what it brings; a thread that was given up on gives that back."""
        try:
            messages = self._poll(count, self._wait_s())
            self._trouble.over()
            wanted = generation == self._generation and not self._stopped.is_set()
            self._empty_polls = 0 if messages else self._empty_polls + 1
            self._take(messages, wanted=wanted)
        except Exception as err:
            self._failed(err)
        finally:
            if generation == self._generation:
                self._asked = 0

    def _poll(self, count: int, wait_s: int) -> list[dict[str, Any]]:
        options = self._gateway.options
        url = self._url()
        self._overdue_at = time.monotonic() + wait_s + 4 * POLL_GRACE_S
        metrics.count("polls")
        try:
            return self._gateway.api.poll(
                wait_s=wait_s,
                QueueUrl=url,
                MaxNumberOfMessages=count,
                VisibilityTimeout=options.visibility_timeout,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        finally:
            self._overdue_at = None

    def _wait_s(self) -> int:
        longest = self._gateway.options.wait_time_seconds
        if self._trouble or self._empty_polls < SHORT_POLLS:
            return min(SHORT_WAIT_S, longest)
        if self.last_wait_until is not None:
            longest = min(longest, math.ceil(self.last_wait_until - time.monotonic()))
        return max(0, longest)

    def _failed(self, err: Exception) -> None:
        if isinstance(err, QueueMissing):
            self._gateway.queues.forget(self.name)
        elif not isinstance(err, (Unavailable, Refused)):
            metrics.count("thread_errors")
            logger.exception("poll_error queue=%s", self.name)
        self._stopped.wait(self._trouble.failed(err))

    def _url(self) -> str:
        queues = self._gateway.queues
        return (
            queues.listener_url(self.name, self._gateway.fanout.topic_arn) if self.transient else queues.url(self.name)
        )

    def _take(self, messages: list[dict[str, Any]], *, wanted: bool) -> None:
        url = self._url()
        for message in messages:
            receive_count = int((message.get("Attributes") or {}).get("ApproximateReceiveCount", 1))
            lease = Lease(url, message["ReceiptHandle"], message.get("MessageId", ""), receive_count)
            self._gateway.leases.add(lease)
            metrics.count("received")
            if wanted:
                self._admit(message["Body"], lease)
            else:
                self._gateway.outbox.give_back(lease)
        if self._stopped.is_set():
            self._give_back_buffer()
        elif messages:
            self._ready()

    def _admit(self, body: str, lease: Lease) -> None:
        """Put a message into the buffer, unless nobody can read it or its time has not come."""
        try:
            envelope = wire.decode(body)
            if not self._hidden(envelope, lease):
                self.buffer.append(Received(envelope, lease))
        except ValueError as err:
            self.unreadable(lease, err)
        except Exception:
            # Held by nobody, it must not stay leased; it comes again.
            metrics.count("put_off")
            logger.exception("message_put_off queue=%s message_id=%s", self.name, lease.message_id)
            self._gateway.outbox.give_back(lease, POLL_GRACE_S)

    def _hidden(self, envelope: dict[str, Any], lease: Lease) -> bool:
        """Put a task whose ETA has not come out of sight until then; no worker holds it in memory."""
        remaining_s = wire.seconds_until_eta(envelope, datetime.now(UTC))
        if remaining_s < 1:
            return False
        metrics.count("hidden")
        if lease.receive_count <= MOST_HIDES and remaining_s <= LONGEST_HIDE_S:
            self._gateway.outbox.give_back(lease, math.ceil(remaining_s))
        else:
            # Sent anew, so that waiting does not use up the receives after which it counts as poison.
            self._gateway.sender.send(
                lease.queue_url, delayed(self.name, envelope, lease, remaining_s, self._gateway.options)
            )
            self._gateway.outbox.delete(lease)
        return True

    def _give_back_buffer(self) -> None:
        while self.buffer:
            try:
                received = self.buffer.popleft()
            except IndexError:  # the loop took the last one meanwhile
                return
            self._gateway.outbox.give_back(received.lease)


LONGEST_DELAY_S = 900


def delayed(name: str, envelope: dict[str, Any], lease: Lease | None, seconds: float, options: Any) -> dict[str, Any]:
    """Return SendMessageBatch's entry for ``envelope``, hidden for ``seconds`` as far as SQS can (15 minutes)."""
    entry: dict[str, Any] = {"MessageBody": wire.encode(envelope, base64_body=options.sqs_base64_encoding)}
    properties = envelope.get("properties") or {}
    if name.endswith(".fifo"):
        # A FIFO queue takes no delay by message; the consumer hides it. Sent anew, it is another message.
        again = f"-{lease.receive_count}-{lease.message_id}"[:60] if lease else ""
        entry["MessageGroupId"] = str(properties.get("MessageGroupId", "default"))
        entry["MessageDeduplicationId"] = (
            f"{properties.get('MessageDeduplicationId') or properties.get('delivery_tag')}{again}"[:128]
        )
    else:
        if "MessageGroupId" in properties:  # fair queues
            entry["MessageGroupId"] = str(properties["MessageGroupId"])
        if seconds > 0:
            entry["DelaySeconds"] = min(LONGEST_DELAY_S, math.ceil(seconds))
    return entry
