"""Deletes batches whose time has come, and what is left of deleted ones, for as long as more may come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from app.batches.deletion import Deletion
from app.batches.marks import DELETED, EXPIRES, Marks
from app.batches.records import Records
from app.domain import BATCH_ID
from app.errors import ElastiqError
from app.settings import Settings

log = structlog.get_logger(__name__)

EVERY_S = 60.0
# What is saved late comes soon; then it is looked for ever more rarely.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 86400.0


class Ended:
    """One round at a time.

    Args:
        settings: the output bucket.
        records: say when a batch expires, and whether it is deleted.
        deletion: deletes.
    """

    def __init__(self, settings: Settings, records: Records, deletion: Deletion) -> None:
        self._records, self._deletion = records, deletion
        self._expires, self._deleted = Marks(settings, EXPIRES), Marks(settings, DELETED)
        self._due = float("-inf")
        # When each deleted batch is looked at next, and how long after the last time that is.
        self._next: dict[str, tuple[float, float]] = {}

    def round(self, now: float, at: datetime) -> None:
        """Do what is due at ``now`` (monotonic seconds), which is ``at`` by the wall clock (UTC).

        Raises:
            ConfigurationError, TransientError: the bucket does not answer.
        """
        if now < self._due:
            return
        self._due = now + EVERY_S
        for name in self._expires.names():
            seconds, _, id = name.partition("-")
            if not seconds.isdigit() or int(seconds) > at.timestamp():
                break
            self._one(self._expire, id, name, at)
        for id in self._deleted.names():
            if BATCH_ID.fullmatch(id) and now >= self._next.get(id, (now, 0.0))[0]:
                self._one(self._purge, id, now, at)

    def _one(self, do: Callable[..., None], id: str, *arguments: object) -> None:
        """Do something to one batch; what fails costs no other one anything."""
        try:
            do(id, *arguments)
        except ElastiqError as err:
            log.warning("batch_not_deleted", batch=id, reason=str(err))

    def _expire(self, id: str, name: str, at: datetime) -> None:
        record = self._records.fresh(id) if BATCH_ID.fullmatch(id) else None
        if record and record.expires_at and record.expires_at <= at and not record.deleted_at:
            self._deletion.order(id, at)
            log.info("batch_expired", batch=id)
        self._expires.remove(name)

    def _purge(self, id: str, now: float, at: datetime) -> None:
        record = self._records.fresh(id)
        if record is None or not record.deleted_at:  # whoever ordered it has broken off
            self._deletion.order(id, at)
        purged = self._deletion.purge(id)
        pause_s = min(LONGEST_PAUSE_S, 2 * self._next.get(id, (0.0, FIRST_PAUSE_S / 2))[1])
        self._next[id] = now + pause_s, pause_s
        if purged.objects:
            log.info("batch_purged", batch=id, objects=purged.objects)
        if self._deletion.bury(id, at):
            del self._next[id]
