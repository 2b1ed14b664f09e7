"""The lease of every message that this process holds: its visibility, extended in batches until it is given up."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from kombu.log import get_logger

from app.sqs import background
from app.sqs.api import Api
from app.sqs.errors import Refused, Unavailable
from app.sqs.metrics import metrics

logger = get_logger("app.sqs")

BATCH = 10


@dataclass(eq=False, slots=True)
class Lease:
    """One message's: ``extended_at`` is when its visibility last began to run (monotonic seconds).

    ``sent_at`` is when SQS took the message, and ``received_at`` when it came (seconds since 1970).

    It is ``done`` once its deletion was asked for; it stays leased until that is confirmed.
    """

    queue_url: str
    receipt: str
    message_id: str
    receive_count: int
    sent_at: float | None = None
    received_at: float = field(default_factory=time.time)
    extended_at: float = field(default_factory=time.monotonic)
    watch: Any = None
    done: bool = False


class Leases:
    """Extends what is held once a third of its time has passed; what is lost all the same is logged and counted.

    Args:
        api: the calls.
        visibility_s: how long a message stays hidden after each extension.
    """

    def __init__(self, api: Api, visibility_s: int) -> None:
        self._api, self._visibility_s = api, visibility_s
        self._held: dict[str, Lease] = {}
        # Those whose work is not done; a dict, as its changes are atomic.
        self._undone: dict[str, Lease] = {}
        self._stopped = threading.Event()
        self._trouble = background.Trouble("lease_extension")
        background.start("sqs-leases", self._step, self._stopped)

    def add(self, lease: Lease) -> None:
        """Begin to extend ``lease``."""
        self._held[lease.receipt] = self._undone[lease.receipt] = lease
        metrics.count("in_flight")

    def done(self, lease: Lease) -> None:
        """Note that the work of a message is done; it is held until `drop`."""
        lease.done = True
        self._undone.pop(lease.receipt, None)

    def drop(self, lease: Lease) -> bool:
        """Stop extending ``lease``; return whether it was held."""
        self._undone.pop(lease.receipt, None)
        held = self._held.pop(lease.receipt, None) is not None
        if held:
            metrics.count("in_flight", -1)
        return held

    def holds(self, lease: Lease) -> bool:
        """Return whether ``lease`` is ours still."""
        return lease.receipt in self._held

    @property
    def busy(self) -> bool:
        """Return whether a message is held whose work is not done."""
        return bool(self._undone)

    def all(self) -> list[Lease]:
        """Return every lease held."""
        return list(self._held.values())

    def stop(self) -> None:
        """End the thread; what is held runs out by itself."""
        self._stopped.set()

    def _step(self) -> None:
        # After a failure soon again: the rest of the time is left for that.
        self._stopped.wait(0.5 if self._trouble else min(5.0, self._visibility_s / 6))
        due: dict[str, list[Lease]] = defaultdict(list)
        now = time.monotonic()
        for lease in self.all():
            if now - lease.extended_at >= self._visibility_s / 3:
                due[lease.queue_url].append(lease)
        for queue_url, leases in due.items():
            for start in range(0, len(leases), BATCH):
                self._extend(queue_url, leases[start : start + BATCH])

    def _extend(self, queue_url: str, leases: list[Lease]) -> None:
        now = time.monotonic()
        entries = [
            {"Id": str(n), "ReceiptHandle": lease.receipt, "VisibilityTimeout": self._visibility_s}
            for n, lease in enumerate(leases)
        ]
        try:
            answer = self._api.sqs("change_message_visibility_batch", QueueUrl=queue_url, Entries=entries)
        except (Unavailable, Refused) as err:
            self._trouble.failed(err)
            return
        except Exception as err:  # a defect of ours must not cost the other queues' leases
            metrics.count("thread_errors")
            logger.exception("extension_error queue=%s", queue_url)
            self._trouble.failed(err)
            return
        self._trouble.over()
        for done in answer.get("Successful") or []:
            leases[int(done["Id"])].extended_at = now
            metrics.count("leases_extended")
        for failed in answer.get("Failed") or []:
            if failed.get("SenderFault"):
                self._lost(leases[int(failed["Id"])], failed)

    def _lost(self, lease: Lease, failed: dict[str, Any]) -> None:
        # One that was deleted or given back between our look and the call is no loss.
        if self.drop(lease):
            metrics.count("leases_lost")
            logger.error(
                "lease_lost message_id=%s code=%s: it may run a second time", lease.message_id, failed.get("Code")
            )
