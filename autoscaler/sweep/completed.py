"""Tells whoever asked for it that a batch is complete, however many tries that takes within a day.

The autoscaler that leads does so, as it is always there. That a batch was complete is written down first, so a message
says the same at each try and by each channel; its id is the batch's, by which a receiver tells one that came twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from app.aws.bucket import Bucket
from app.batches.marks import Marks
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.batches.webhook import HookRefused
from app.domain import BATCH_ID
from app.errors import ElastiqError
from app.process.objects import parse
from app.settings import Settings
from app.sources.progress import Progress, Progresses
from app.storage import BATCHES, FAILURE, RESULT, Storage
from autoscaler.sweep.channels import Channel

log = structlog.get_logger(__name__)

EVERY_S = 10.0
# A batch counts as complete if nothing was added to it between two looks so far apart.
QUIET_S = 10.0
LONGEST_LOOK_PAUSE_S, IMAGES_PER_S = 120.0, 1000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 3600.0
TRIED_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A batch that is waited for: when it is looked at, or told of, next, and what was seen of it last."""

    due: float
    pause_s: float
    seen: dict[str, int] | None = None
    failed: bool = False


class Completed:
    """Tells by one channel, one round at a time.

    Args:
        settings: the buckets.
        records: of batches.
        channel: tells.
    """

    def __init__(self, settings: Settings, records: Records, channel: Channel) -> None:
        self._channel, self._records = channel, records
        self._storage, self._marks = Storage(settings), Marks(settings, channel.marks)
        self._bucket, self._progresses = Bucket(settings.aws, settings.buckets.output), Progresses(settings)
        self._watched: dict[str, _Watched] = {}
        self._due = float("-inf")

    @property
    def untold(self) -> int:
        """Return of how many batches it could not be told at the last try."""
        return sum(watched.failed for watched in self._watched.values())

    def round(self, now: float, at: datetime) -> None:
        """Do what is due at ``now`` (monotonic seconds), which is ``at`` by the wall clock (UTC).

        Raises:
            ConfigurationError, TransientError: the bucket does not answer.
        """
        if not self._channel.on or now < self._due:
            return
        self._due = now + EVERY_S
        marked = [id for id in self._marks.names() if BATCH_ID.fullmatch(id)]
        self._watched = {id: self._watched.get(id, _Watched(now, QUIET_S)) for id in marked}
        for id in [id for id in marked if now >= self._watched[id].due]:
            try:
                self._one(id, now, at)
            except ElastiqError as err:
                self._later(id, now)
                again_s = self._watched[id].pause_s
                log.warning("completion_not_told", by=self._channel.name, batch=id, reason=str(err), retry_in_s=again_s)

    def _one(self, id: str, now: float, at: datetime) -> None:
        record = self._records.fresh(id) or BatchRecord(id)
        if record.deleted_at or not self._channel.wanted(record):
            self._forget(id)
            return
        told = self._completed(record, now, at)
        if told is None:
            if self._is_void(record, at):
                self._forget(id)
            return
        try:
            self._channel.send(record, told)
            log.info("completion_told", by=self._channel.name, batch=id)
        except ElastiqError as err:
            late = at.timestamp() - float(told["completed_at"]) > TRIED_FOR.total_seconds()
            if not late and not isinstance(err, HookRefused):
                raise
            log.error("completion_given_up", by=self._channel.name, batch=id, reason=str(err))
        self._forget(id)

    def _is_void(self, record: BatchRecord, at: datetime) -> bool:
        """Return whether a batch has been without any image for so long that none is waited for."""
        seen = self._watched[record.id].seen
        return not record.source and not (seen and seen["total"]) and at - record.made_at > TRIED_FOR

    def _forget(self, id: str) -> None:
        self._marks.remove(id)
        self._watched.pop(id)

    def _completed(self, record: BatchRecord, now: float, at: datetime) -> dict[str, Any] | None:
        """Return what is told of a batch that is complete; None of one that is not, which is looked at again."""
        key = f"{BATCHES}{record.id}/completed.json"
        if (found := self._bucket.get(key)) is not None:
            return parse(found.body or b"")
        counts, over, problem = self._seen(record)
        if not over:
            self._look_later(record.id, counts, now)
            return None
        told = {
            "id": f"completed-{record.id}",
            "type": "batch.failed" if problem else "batch.completed",
            "batch": record.id,
            "name": record.name,
            "completed_at": at.timestamp(),
            "counts": counts,
            **({"problem": problem} if problem else {}),
        }
        self._bucket.put(key, json.dumps(told).encode(), "application/json")
        self._watched[record.id] = _Watched(now, FIRST_PAUSE_S / 2)
        return told

    def _seen(self, record: BatchRecord) -> tuple[dict[str, int], bool, str]:
        """Return a batch's images by state, whether nothing more will come of it, and why it cannot go on."""
        if record.source is None:
            counts = self._counts(record)
            still = counts == self._watched[record.id].seen
            return counts, bool(counts["total"]) and not counts["waiting"] and still, ""
        # Who runs its source says so: while that is being listed, those that are published may all be done.
        progress = self._progresses.read(record.id) or Progress()
        return progress.counts(cancelled=record.cancelled_at is not None), progress.over, progress.problem

    def _look_later(self, id: str, counts: dict[str, int], now: float) -> None:
        before = self._watched[id]
        pause_s = QUIET_S if counts != before.seen else min(LONGEST_LOOK_PAUSE_S, 2 * before.pause_s)
        # A look takes two calls for a thousand images.
        self._watched[id] = _Watched(now + max(pause_s, counts["total"] / IMAGES_PER_S), pause_s, counts)

    def _counts(self, record: BatchRecord) -> dict[str, int]:
        names = set(self._storage.outcomes(record.id))
        failed = {name.removesuffix(FAILURE) for name in names if name.endswith(FAILURE)}
        done = {name.removesuffix(RESULT) for name in names if name.endswith(RESULT) and not name.endswith(FAILURE)}
        keys = done | failed | {image.key for image in self._storage.images(record.id)}
        waiting, cancelled = len(keys - done - failed), record.cancelled_at is not None
        return {
            "total": len(keys),
            "waiting": 0 if cancelled else waiting,
            "done": len(done),
            "failed": len(failed - done),
            "cancelled": waiting if cancelled else 0,
        }

    def _later(self, id: str, now: float) -> None:
        pause_s = min(LONGEST_PAUSE_S, 2 * self._watched[id].pause_s)
        self._watched[id] = _Watched(now + pause_s, pause_s, self._watched[id].seen, failed=True)
