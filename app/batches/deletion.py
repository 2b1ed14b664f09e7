"""Deleting a batch: its record says so first, then its objects go, a thousand at a time; whoever comes later goes on.

The record stays as a tombstone for as long as a message of the batch can live, so that what a worker saves late, or an
upload that was under way, is found and deleted too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from app.aws.bucket import MOST_DELETED, Bucket
from app.batches.cancelling import Cancelling
from app.batches.marks import DELETED, Marks
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.settings import Settings
from app.storage import BATCHES, SOURCES, STAGED

# A message lives for 14 days.
TOMBSTONE = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class Purged:
    """How many objects were deleted, and whether none is left."""

    objects: int
    whole: bool


class Deletion:
    """Deletes batches. Every method raises `ConfigurationError` or `TransientError`; then it can be called again.

    Args:
        settings: the buckets.
        records: is asked for, and told of, each batch's record.
        cancelling: has workers drop the batch's messages.
    """

    def __init__(self, settings: Settings, records: Records, cancelling: Cancelling) -> None:
        self._records, self._cancelling = records, cancelling
        self._marks = Marks(settings, DELETED)
        self._input = Bucket(settings.aws, settings.buckets.input)
        self._output = Bucket(settings.aws, settings.buckets.output)

    def order(self, id: str, now: datetime) -> BatchRecord:
        """Have a batch be no more, for all who ask; its objects are deleted by `purge`, which the sweep calls too."""
        # The mark first: whatever breaks off behind it, the sweep goes on.
        self._marks.put(id)
        record = self._records.update(id, lambda was: was if was.deleted_at else replace(was, deleted_at=now))
        self._cancelling.drop(id)
        return record

    def purge(self, id: str, calls: int | None = None) -> Purged:
        """Delete what there is of a batch but its record.

        Args:
            id: the batch.
            calls: so many at the most, each for `MOST_DELETED` objects; None: as many as it takes.
        """
        deleted = 0
        for bucket, keys in ((self._input, self._images(id)), (self._output, self._rest(id))):
            while group := list(islice(keys, MOST_DELETED)):
                if calls is not None and calls <= 0:
                    return Purged(deleted, whole=False)
                bucket.delete_all(group)
                deleted += len(group)
                calls = None if calls is None else calls - 1
        return Purged(deleted, whole=True)

    def bury(self, id: str, now: datetime) -> bool:
        """Take a tombstone away that has stood for long enough; return whether it had."""
        record = self._records.fresh(id)
        if record is None or record.deleted_at is None or now - record.deleted_at < TOMBSTONE:
            return False
        self._cancelling.undrop(id)
        self._marks.remove(id)
        self._records.forget(id)
        return True

    def _images(self, id: str) -> Iterator[str]:
        for folder in (f"{id}/", f"{STAGED}{id}/"):
            for item in self._input.list(folder):
                yield str(item["Key"])

    def _rest(self, id: str) -> Iterator[str]:
        for folder in (f"{id}/", f"_resent/{id}/", f"{SOURCES}{id}.json", f"{BATCHES}{id}/"):
            for item in self._output.list(folder):
                if item["Key"] != f"{BATCHES}{id}/record.json":
                    yield str(item["Key"])
