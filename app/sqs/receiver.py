"""Receives from one queue, and keeps from consumers what is not for them: the unreadable, and what is not yet due."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kombu.log import get_logger

from app.sqs import wire
from app.sqs.api import POLL_GRACE_S
from app.sqs.leases import Lease
from app.sqs.metrics import metrics

logger = get_logger("app.sqs")

LONGEST_HIDE_S = 43_000
# A task whose ETA is far off is hidden again and again; this many receives are left to its real attempts.
MOST_HIDES = 2


@dataclass(eq=False, slots=True)
class Received:
    """A message on its way to a consumer; ``at`` is when it came, in monotonic seconds."""

    envelope: dict[str, Any]
    lease: Lease
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Source:
    """What a receiver may do: the calls for one queue, and what becomes of its messages.

    Attributes:
        url: returns the queue's address, made if it is missing.
        lost: notes that the queue was deleted.
        poll: receives, as `app.sqs.api.Api.poll`.
        hold: begins to extend a lease.
        give_back: lets a message be received again after so many seconds.
        hand_back: lets one be received again at once whose task has not begun.
        reject: sends a message towards the dead-letter queue.
        most_receives: returns after how many receives a message of the queue at an address is a dead letter.
        resend: sends an envelope anew, to be due in so many seconds, in place of the message that it came in.
        visibility_s: seconds that a received message is hidden at first.
        longest_wait_s: seconds that a poll of an empty queue waits.
    """

    url: Callable[[], str]
    lost: Callable[[], None]
    poll: Callable[..., list[dict[str, Any]]]
    hold: Callable[[Lease], None]
    give_back: Callable[[Lease, int], None]
    hand_back: Callable[[Received], None]
    reject: Callable[[Lease], None]
    most_receives: Callable[[str], int | None]
    resend: Callable[[dict[str, Any], Lease, float], None]
    visibility_s: int
    longest_wait_s: int


class Receiver:
    """Receives from the queue ``name``; what it returns is readable, due, and leased. It has no state of its own."""

    def __init__(self, name: str, source: Source) -> None:
        self._name, self._source = name, source

    def receive(self, count: int, wait_s: int) -> list[Received]:
        """Receive up to ``count`` messages, waiting up to ``wait_s`` seconds for the first.

        Raises:
            Unavailable, Refused: the call failed.
        """
        url = self._source.url()
        metrics.count("polls")
        messages = self._source.poll(
            wait_s=wait_s,
            QueueUrl=url,
            MaxNumberOfMessages=count,
            VisibilityTimeout=self._source.visibility_s,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        # All are held before one is looked at: whatever happens to a message, the others' leases are extended.
        taken = [(message, self._held(url, message)) for message in messages]
        found = [self._admitted(str(message.get("Body", "")), lease) for message, lease in taken]
        return [received for received in found if received is not None]

    def unreadable(self, lease: Lease, err: Exception) -> None:
        """Leave a message that nobody can read to the dead-letter queue."""
        metrics.count("unreadable")
        logger.error("message_unreadable queue=%s message_id=%s error=%s", self._name, lease.message_id, err)
        self._source.reject(lease)

    def _held(self, url: str, message: dict[str, Any]) -> Lease:
        told = message.get("Attributes") or {}
        receive_count = int(told.get("ApproximateReceiveCount", 1))
        sent_ms = str(told.get("SentTimestamp", ""))
        sent_at = int(sent_ms) / 1000 if sent_ms.isdecimal() else None
        lease = Lease(url, message["ReceiptHandle"], message.get("MessageId", ""), receive_count, sent_at)
        self._source.hold(lease)
        metrics.count("received")
        return lease

    def _admitted(self, body: str, lease: Lease) -> Received | None:
        """Return a message, unless nobody can read it or its time has not come."""
        try:
            envelope = wire.decode(body)
            return None if self._hidden(envelope, lease) else Received(envelope, lease)
        except ValueError as err:
            self.unreadable(lease, err)
        except Exception:
            # Held by nobody, it must not stay leased; it comes again.
            metrics.count("put_off")
            logger.exception("message_put_off queue=%s message_id=%s", self._name, lease.message_id)
            self._source.give_back(lease, POLL_GRACE_S)
        return None

    def _hidden(self, envelope: dict[str, Any], lease: Lease) -> bool:
        """Put a task whose ETA has not come out of sight until then; no worker holds it in memory."""
        remaining_s = wire.seconds_until_eta(envelope, datetime.now(UTC))
        if remaining_s < 1:
            return False
        if envelope["properties"].get(wire.DELAYED):
            # Its sender's clock is ahead of this one, or this one behind; Celery would hold it by its ETA.
            envelope["headers"]["eta"] = None
            return False
        metrics.count("hidden")
        most = self._source.most_receives(lease.queue_url) or MOST_HIDES + 1
        if lease.receive_count <= min(MOST_HIDES, most - 1) and remaining_s <= LONGEST_HIDE_S:
            self._source.give_back(lease, math.ceil(remaining_s))
        elif most == 1 and self._name.endswith(".fifo"):
            raise ValueError("a FIFO queue holds no task until its ETA if one receive makes a dead letter of it")
        else:
            # Sent anew, so that waiting does not use up the receives after which it counts as poison.
            self._source.resend(envelope, lease, remaining_s)
        return True
