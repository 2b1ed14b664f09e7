"""Deletes and visibility changes, gathered for some milliseconds and sent ten to a call."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from kombu.log import get_logger

from app.sqs import background
from app.sqs.api import Api, Refused, Unavailable
from app.sqs.leases import BATCH, Lease, Leases
from app.sqs.metrics import metrics

logger = get_logger("app.sqs")

LINGER_S = 0.03
_DELETE, _CHANGE = "delete_message_batch", "change_message_visibility_batch"


@dataclass(slots=True)
class _Entry:
    lease: Lease
    seconds: int = 0
    alone: bool = False


class Outbox:
    """Carries out what was decided about held messages; nothing in it is forgotten while the process lives.

    A message stays leased until its deletion is confirmed, so one that SQS would not delete for a while is not
    done twice.
    """

    def __init__(self, api: Api, leases: Leases) -> None:
        self._api, self._leases = api, leases
        self._waiting: dict[tuple[str, str], deque[_Entry]] = {}
        self._changed = threading.Condition()
        self._in_hand = 0
        self._oldest: float | None = None
        self._hurry = False
        self._stopped = threading.Event()
        self._trouble = background.Trouble("outbox")
        background.start("sqs-outbox", self._step, self._stopped)

    def delete(self, lease: Lease) -> None:
        """Delete a message: its work is done."""
        lease.done = True
        self._put(_DELETE, _Entry(lease))

    def give_back(self, lease: Lease, after_s: int = 0) -> None:
        """Let a message be received again, by anyone, in ``after_s`` seconds; not one that is done."""
        if not lease.done and self._leases.drop(lease):
            metrics.count("given_back")
            self._put(_CHANGE, _Entry(lease, after_s))

    def flush(self, timeout_s: float) -> bool:
        """Send what waits without lingering; return whether all was sent within ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            while self._waiting or self._in_hand:
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            self._hurry = False
            return not (self._waiting or self._in_hand)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _put(self, action: str, entry: _Entry) -> None:
        with self._changed:
            entries = self._waiting.setdefault((action, entry.lease.queue_url), deque())
            entries.append(entry)
            if self._oldest is None:
                self._oldest = time.monotonic()
                self._changed.notify()
            elif len(entries) == BATCH:
                self._changed.notify()

    def _step(self) -> None:
        where, entries = self._take()
        if not entries:
            return
        try:
            failed = self._send(*where, entries)
            self._trouble.over()
        except (Unavailable, Refused) as err:
            failed = entries
            time.sleep(self._trouble.failed(err))
        with self._changed:
            self._in_hand -= len(entries)
            if failed:
                self._waiting.setdefault(where, deque()).extend(failed)
                self._oldest = self._oldest or time.monotonic()
            self._changed.notify_all()

    def _take(self) -> tuple[tuple[str, str], list[_Entry]]:
        """Return up to ten entries of one kind and queue: ten if there are, fewer once they have lingered."""
        with self._changed:
            while not self._stopped.is_set():
                for where, entries in self._waiting.items():
                    if len(entries) >= BATCH or self._hurry or (self._oldest or 0) + LINGER_S <= time.monotonic():
                        return where, self._pop(where, entries)
                remaining = self._oldest + LINGER_S - time.monotonic() if self._waiting and self._oldest else 60.0
                self._changed.wait(max(0.001, remaining))
            return ("", ""), []

    def _pop(self, where: tuple[str, str], entries: deque[_Entry]) -> list[_Entry]:
        taken = [entries.popleft()]
        while entries and len(taken) < BATCH and not (taken[0].alone or entries[0].alone):
            taken.append(entries.popleft())
        if not entries:
            del self._waiting[where]
        self._oldest = time.monotonic() if self._waiting else None
        self._in_hand += len(taken)
        return taken

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


def _wire(action: str, number: int, entry: _Entry) -> dict[str, Any]:
    wire: dict[str, Any] = {"Id": str(number), "ReceiptHandle": entry.lease.receipt}
    if action == _CHANGE:
        wire["VisibilityTimeout"] = entry.seconds
    return wire
