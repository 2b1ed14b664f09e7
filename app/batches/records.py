"""Where records of batches are kept: an object each in the output bucket, written only if it is still the one read.

Reading goes through a small cache, as every request to a batch asks for its record; an event tells of changes, and one
that is lost costs some seconds.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

from app.aws.bucket import Bucket
from app.aws.objects import Found
from app.batches.record import BatchRecord
from app.domain import BATCH_ID
from app.errors import ConfigurationError, TransientError
from app.process.objects import parse
from app.settings import Settings
from app.storage import BATCHES

# What is read is believed for so long, unless an event tells of a change.
BELIEVED_S = 10.0
REMEMBERED = 5000
# Of those who change one record at a time, each tries so often.
ATTEMPTS = 8

Change = Callable[[BatchRecord], BatchRecord]


class Records:
    """Records by batch. Safe to share between threads.

    Every method but `heard` raises `TransientError` or `ConfigurationError`: of the bucket, or of what is no record.

    Args:
        settings: the output bucket.
        changed: is told the id of each batch whose record was changed here.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        settings: Settings,
        changed: Callable[[str], object] = lambda id: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bucket = Bucket(settings.aws, settings.buckets.output)
        self._changed, self._clock = changed, clock
        self._lock = threading.Lock()
        # What was read, and until when it is believed.
        self._known: OrderedDict[str, tuple[float, BatchRecord | None]] = OrderedDict()
        self._heard = 0

    def read(self, id: str) -> BatchRecord:
        """Return the record of a batch, one with every default where it has none; some seconds old at most."""
        return self.find(id) or BatchRecord(id)

    def find(self, id: str) -> BatchRecord | None:
        """Return the same; None where the batch has none."""
        with self._lock:
            until, known = self._known.get(id, (float("-inf"), None))
            if self._clock() < until:
                return known
            heard = self._heard
        record = self.fresh(id)
        with self._lock:
            if heard == self._heard:  # or else what was read may be what was changed since
                self._keep(id, record)
        return record

    def fresh(self, id: str) -> BatchRecord | None:
        """Return the record as it is stored now; None where the batch has none."""
        found = self._bucket.get(_key(id))
        return None if found is None else _read(id, found)

    def make(self, record: BatchRecord) -> BatchRecord:
        """Store the record of a batch that has just been made; one with nothing but defaults costs no call."""
        if record != BatchRecord(record.id):
            return self.update(record.id, lambda _: record, new=True)
        with self._lock:
            self._keep(record.id, None)
        return record

    def update(self, id: str, change: Change, *, new: bool = False) -> BatchRecord:
        """Change a record by what ``change`` makes of it, which may be called again if others change it meanwhile.

        Fields that a later version of this program has written stay as they are.

        Args:
            id: the batch.
            change: returns the new record; the same one where there is nothing to change. What it raises ends this.
            new: whether there is none yet, by all that is known.

        Returns:
            The record as it is now.
        """
        for attempt in range(ATTEMPTS):
            found = None if new and not attempt else self._bucket.get(_key(id))
            before = BatchRecord(id) if found is None else _read(id, found)
            after = change(before)
            # After another attempt it may be this one's own write whose answer was lost, and is told all the same.
            if after != before and not self._write(after, found):
                continue
            if after != before or attempt:
                self._told(id, after)
            return after
        raise TransientError(f"others change the record of batch {id!r} all the time; try again")

    def heard(self, id: str) -> None:
        """Take note that a record was changed, by whomever: it is read again before it is believed."""
        with self._lock:
            self._heard += 1
            self._known.pop(id, None)

    def ids(self, after: str = "") -> Iterator[str]:
        """Yield the ids of the batches that have a record, the oldest first, those behind ``after``."""
        for item in self._bucket.list(BATCHES, f"{BATCHES}{after}0" if after else ""):  # "0" comes behind "/"
            id, _, name = str(item["Key"]).removeprefix(BATCHES).partition("/")
            if id.startswith("_"):
                return  # marks, which come behind all batches
            if name == "record.json" and BATCH_ID.fullmatch(id):
                yield id

    def forget(self, id: str) -> None:
        """Delete a record."""
        self._bucket.delete(_key(id))
        self.heard(id)

    def _told(self, id: str, record: BatchRecord) -> None:
        self.heard(id)
        with self._lock:
            self._keep(id, record)
        self._changed(id)

    def _keep(self, id: str, record: BatchRecord | None) -> None:
        self._known[id] = self._clock() + BELIEVED_S, record
        self._known.move_to_end(id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _write(self, record: BatchRecord, found: Found | None) -> bool:
        """Write a record if what was found is still there; return whether it was."""
        kept = {} if found is None else parse(found.body or b"")
        body = json.dumps({**kept, **record.to_json()}).encode()
        return self._bucket.put_if_same(_key(record.id), body, "application/json", found.etag if found else "")


def _key(id: str) -> str:
    return f"{BATCHES}{id}/record.json"


def _read(id: str, found: Found) -> BatchRecord:
    try:
        return BatchRecord.from_json(id, parse(found.body or b""))
    except ValueError as err:
        raise ConfigurationError(
            f"the object {_key(id)!r} in the output bucket is no record of a batch: {err}"
        ) from err
