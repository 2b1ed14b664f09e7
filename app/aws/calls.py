"""What this process asks of S3, SQS and SNS, counted as AWS bills it: each try, under its name in app/prices.json."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import Any

from app.domain import CallCounts

# S3's operations that cost as a put; the others cost as a get, and a deletion costs nothing.
_PUTS = {"PutObject", "CopyObject", "ListObjectsV2", "ListBuckets", "CreateBucket"}


class Calls:
    """Counts. Safe to share between threads."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def unlock(self) -> None:
        """Make a new lock, in a process where no other thread can have the old one."""
        self._lock = threading.Lock()

    def count(self, kind: str) -> None:
        """Note one call of a kind: a field of `CallCounts`."""
        with self._lock:
            self._counts[kind] += 1

    def made(self) -> CallCounts:
        """Return the counts so far."""
        with self._lock:
            return CallCounts(**self._counts)

    def watch(self, client: Any) -> None:
        """Count what a boto3 client sends."""
        client.meta.events.register("before-send", self._sent)

    def _sent(self, event_name: str = "", **_: Any) -> None:
        service, operation = event_name.split(".")[1:3]
        kind = _kind(service, operation)
        if kind:
            self.count(kind)


def _kind(service: str, operation: str) -> str | None:
    if service == "sqs":
        return "sqs_call"
    if service == "sns":
        return "sns_publish" if operation.startswith("Publish") else None
    if service != "s3" or operation.startswith("Delete"):
        return None
    return "s3_put" if operation in _PUTS else "s3_get"


calls = Calls()
# A child that is forked while another thread counts would find the lock held for ever.
os.register_at_fork(after_in_child=calls.unlock)
