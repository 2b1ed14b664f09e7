"""Cancelling a batch, and taking that back: its record says so, and a mark has workers drop what waits of it.

The record is the truth for people, the mark for workers. What breaks off between the two costs no image its outcome:
what is not dropped is classified, and whoever had no answer asks again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from app.batches.marks import DROPPED, Marks
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.batches.telling import Telling
from app.settings import Settings


class Cancelling:
    """Cancels batches. Every method raises `ConfigurationError` or `TransientError`; then it can be called again.

    Args:
        settings: the output bucket.
        records: is asked for, and told of, each batch's record.
        telling: tells other processes.
    """

    def __init__(self, settings: Settings, records: Records, telling: Telling) -> None:
        self._records, self._telling = records, telling
        self._marks = Marks(settings, DROPPED)

    def cancel(self, id: str, now: datetime) -> BatchRecord:
        """Have what waits of a batch dropped; what runs may finish, and counts."""
        record = self._records.update(id, lambda was: was if was.cancelled_at else replace(was, cancelled_at=now))
        self.drop(id)
        return self._settled(record)

    def resume(self, id: str) -> BatchRecord:
        """Take back that a batch was cancelled; what was dropped has no message, and is to be published again."""
        self.undrop(id)
        return self._settled(self._records.update(id, lambda was: replace(was, cancelled_at=None)))

    def dropped(self, ids: Iterable[str]) -> set[str]:
        """Return those batches whose messages are to be dropped; have the marks of all say so."""
        marked, found = set(self._marks.names()), set()
        for id in ids:
            if (self._records.fresh(id) or BatchRecord(id)).dropped:
                found.add(id)
                if id not in marked:
                    self.drop(id)
            elif id in marked:
                self.undrop(id)
        return found

    def undrop(self, id: str) -> None:
        """Have workers take a batch's messages."""
        self._marks.remove(id)
        self._telling.dropped(id, False)

    def drop(self, id: str) -> None:
        """Have workers drop a batch's messages."""
        self._marks.put(id)
        self._telling.dropped(id, True)

    def _settled(self, record: BatchRecord) -> BatchRecord:
        """Have the mark say what the record says, whatever others have done to both meanwhile."""
        now = self._records.fresh(record.id) or record
        if now.dropped and not record.dropped:
            self.drop(record.id)
        elif record.dropped and not now.dropped:
            self.undrop(record.id)
        return now
