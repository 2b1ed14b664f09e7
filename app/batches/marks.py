"""Marks on batches: empty objects whose names tell all batches of a kind in one call, without their records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from app.aws.bucket import Bucket
from app.settings import Settings
from app.storage import BATCHES

# Its messages are dropped: it was cancelled or deleted.
DROPPED = "_dropped"
# Somebody wants to be told that it is complete.
HOOKED = "_hooks"
# The topic of completions is to hear that it is complete.
ANNOUNCED = "_announced"
# It is deleted, and what is left of it is to go.
DELETED = "_deleted"
# Images of it were published again: what has no outcome and no message is looked for, however old the batch is.
RETRIED = "_retried"
# It is deleted at a time, with which the mark's name begins, in seconds of twelve digits, and a "-" behind it.
EXPIRES = "_expires"


class Marks:
    """The marks of one kind. Every method raises `ConfigurationError` or `TransientError`.

    Args:
        settings: the output bucket.
        kind: such as `DROPPED`.
    """

    def __init__(self, settings: Settings, kind: str) -> None:
        self._bucket, self._folder = Bucket(settings.aws, settings.buckets.output), f"{BATCHES}{kind}/"

    def put(self, name: str) -> None:
        """Mark a batch."""
        self._bucket.put(self._folder + name, b"", "text/plain")

    def remove(self, name: str) -> None:
        """Take a mark back, if there is one."""
        self._bucket.delete(self._folder + name)

    def names(self, put_before: datetime | None = None, put_since: datetime | None = None) -> Iterator[str]:
        """Yield what is marked, by name; where a time is given, what was marked before it, or since it, alone."""
        for item in self._bucket.list(self._folder):
            at = item["LastModified"]
            if (put_before is None or at < put_before) and (put_since is None or at >= put_since):
                yield str(item["Key"]).removeprefix(self._folder)
