"""Deletes and visibility changes, gathered for a moment and sent ten to a call."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from kombu.log import get_logger

from app.sqs import background
from app.sqs.api import Api
from app.sqs.errors import QueueMissing, Refused, Unavailable
from app.sqs.leases import BATCH, Lease, Leases
from app.sqs.metrics import metrics

logger = get_logger("app.sqs")

# How long the first waits for others: one that is done, whose lease goes on meanwhile, and one that is given back.
LINGER_S, BACK_S = 0.15, 0.03
# The same of what nobody misses: a listener's messages, that it has heard.
PATIENT_S = 9.0
_DELETE, _CHANGE = "delete_message_batch", "change_message_visibility_batch"


@dataclass(slots=True)
class _Entry:
    lease: Lease
    seconds: int = 0
    alone: bool = False


class _Lane:
    """What waits for one kind of call to one queue, and when the next may be made (monotonic seconds)."""

    def __init__(self, action: str, queue_url: str) -> None:
        self.action, self.queue_url = action, queue_url
        self.waiting: deque[_Entry] = deque()
        self.in_hand: list[_Entry] = []
        self.due_at = 0.0
        self.trouble = background.Trouble(f"outbox action={action} queue={queue_url.rsplit('/', 1)[-1]}")

    def due(self, now: float, hurry: bool) -> bool:
        """Return whether to call: ten wait, or some have lingered; after a failure, once its pause is over."""
        if not self.waiting:
            return False
        return self.due_at <= now or (not self.trouble and (hurry or len(self.waiting) >= BATCH))


class Outbox:
    """Carries out what was decided about held messages; nothing in it is forgotten while the process lives.

    A message stays leased until its deletion is confirmed, so one that SQS would not delete for a while is not
    done twice. What fails is tried again, whatever the error, and holds up no other queue. Only where the queue
    itself is gone there is nothing left to do.
    """

    def __init__(self, api: Api, leases: Leases) -> None:
        self._api, self._leases = api, leases
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._changed = threading.Condition()
        self._hurry = False
        self._stopped = threading.Event()
        background.start("sqs-outbox", self._step, self._stopped)

    def delete(self, lease: Lease, linger_s: float = LINGER_S) -> None:
        """Delete a message: its work is done. Others may join it for ``linger_s`` seconds."""
        self._leases.done(lease)
        self._put(_DELETE, _Entry(lease), linger_s)

    def give_back(self, lease: Lease, after_s: int = 0) -> None:
        """Let a message be received again, by anyone, in ``after_s`` seconds; not one that is done."""
        if not lease.done and self._leases.drop(lease):
            metrics.count("given_back")
            self._put(_CHANGE, _Entry(lease, after_s), BACK_S)

    def flush(self, timeout_s: float) -> bool:
        """Send what waits without lingering; return whether all was sent within ``timeout_s``."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            sent = self._changed.wait_for(lambda: not self._busy(), timeout_s)
            self._hurry = False
            return sent

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _busy(self) -> bool:
        return any(lane.waiting or lane.in_hand for lane in self._lanes.values())

    def _put(self, action: str, entry: _Entry, linger_s: float) -> None:
        where = action, entry.lease.queue_url
        with self._changed:
            lane = self._lanes.get(where) or self._lanes.setdefault(where, _Lane(*where))
            lane.waiting.append(entry)
            if len(lane.waiting) == 1:
                lane.due_at = max(lane.due_at, time.monotonic() + linger_s)
                self._changed.notify()
            elif len(lane.waiting) == BATCH:
                self._changed.notify()

    def _step(self) -> None:
        lane = self._take()
        if lane is None:
            return
        entries = lane.in_hand
        again, pause_s = self._attempt(lane, entries)
        with self._changed:
            lane.in_hand = []
            lane.waiting.extend(again)
            if pause_s:
                lane.due_at = time.monotonic() + pause_s
            if not lane.waiting and not lane.trouble:
                del self._lanes[lane.action, lane.queue_url]
            self._changed.notify_all()

    def _take(self) -> _Lane | None:
        """Return a lane that is due, with up to ten of its entries in hand; None when stopped."""
        with self._changed:
            while not self._stopped.is_set():
                now = time.monotonic()
                for where, lane in self._lanes.items():
                    if lane.due(now, self._hurry):
                        # Next time another comes first.
                        self._lanes[where] = self._lanes.pop(where)
                        lane.in_hand, lane.due_at = _popped(lane.waiting), now + BACK_S
                        return lane
                soonest = min((lane.due_at for lane in self._lanes.values() if lane.waiting), default=now + 60)
                self._changed.wait(max(0.001, soonest - now))
            return None

    def _attempt(self, lane: _Lane, entries: list[_Entry]) -> tuple[list[_Entry], float]:
        """Make one call; return the entries to try again, and how many seconds later."""
        try:
            again = self._send(lane.action, lane.queue_url, entries)
        except QueueMissing as err:
            self._dropped(lane, entries, err)
            return [], 0.0
        except (Unavailable, Refused) as err:
            return entries, lane.trouble.failed(err)
        except Exception as err:  # a defect of ours must not cost a message
            metrics.count("thread_errors")
            logger.exception("outbox_error action=%s queue=%s", lane.action, lane.queue_url)
            for entry in entries:
                entry.alone = True
            return entries, lane.trouble.failed(err)
        lane.trouble.over()
        return again, 0.0

    def _dropped(self, lane: _Lane, entries: list[_Entry], err: QueueMissing) -> None:
        """Let go of messages that went with their queue."""
        for entry in entries:
            self._leases.drop(entry.lease)
        if lane.action == _DELETE:  # which is what was asked for
            logger.info("deleted_with_queue messages=%d queue=%s", len(entries), lane.queue_url)
            return
        metrics.count("refused", len(entries))
        logger.error("%s_dropped messages=%d error=%s: the queue is gone", lane.action, len(entries), err)

    def _send(self, action: str, queue_url: str, entries: list[_Entry]) -> list[_Entry]:
        """Make one call; return the entries to try again, one by one."""
        answer = self._api.sqs(action, QueueUrl=queue_url, Entries=[_wire(action, n, e) for n, e in enumerate(entries)])
        unanswered = set(range(len(entries)))
        for done in answer.get("Successful") or []:
            unanswered.discard(int(done["Id"]))
            self._done(action, entries[int(done["Id"])])
        for failed in answer.get("Failed") or []:
            if failed.get("SenderFault"):
                unanswered.discard(int(failed["Id"]))
                self._refused(action, entries[int(failed["Id"])], failed)
        again = [entries[n] for n in sorted(unanswered)]
        for entry in again:
            metrics.count("partial_failures")
            entry.alone = True
        return again

    def _done(self, action: str, entry: _Entry) -> None:
        if action == _DELETE:
            self._leases.drop(entry.lease)
            metrics.count("deleted")

    def _refused(self, action: str, entry: _Entry, failed: dict[str, Any]) -> None:
        # The handle is no longer good: the lease was lost, and whoever has the message now will delete it.
        self._leases.drop(entry.lease)
        metrics.count("refused")
        logger.warning("%s_refused message_id=%s code=%s", action, entry.lease.message_id, failed.get("Code"))


def _popped(waiting: deque[_Entry]) -> list[_Entry]:
    """Take up to ten entries; one that failed among others goes alone."""
    taken = [waiting.popleft()]
    while waiting and len(taken) < BATCH and not (taken[0].alone or waiting[0].alone):
        taken.append(waiting.popleft())
    return taken


def _wire(action: str, number: int, entry: _Entry) -> dict[str, Any]:
    wire: dict[str, Any] = {"Id": str(number), "ReceiptHandle": entry.lease.receipt}
    if action == _CHANGE:
        wire["VisibilityTimeout"] = entry.seconds
    return wire
