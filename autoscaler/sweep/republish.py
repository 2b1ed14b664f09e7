"""Publishes again what was lost: images of batches that have neither an outcome nor, by all evidence, a message.

SQS cannot be asked whether it has a message. The evidence is, first, that the queue stands empty at every look for a
while, and then that for as long again it stays empty and none of the unfinished images gets its outcome. So what a
worker still has in hand, what waits for its retry, and a count that lags are not taken for lost.

Where it is never empty, the evidence is its order: what was stored long before all that is done of late is in no queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import structlog
from celery import Celery

from app.aws.bucket import Bucket
from app.aws.depth import QueueReader
from app.domain import Failure, QueueDepth, batch_of
from app.process import spans
from app.settings import Settings
from app.storage import Storage
from autoscaler.sweep.order import Order
from autoscaler.sweep.unfinished import Unfinished
from tasks.celery import CLASSIFY, bulk

log = structlog.get_logger(__name__)

ATTEMPTS = 3
# One small object for each image that was published again, with how often.
COUNTS = "_resent/"
LOOKS = 3
# While nothing is outstanding and nothing was found, the buckets are searched ever more rarely.
LONGEST_PAUSE_S = 3600.0
# While something is outstanding all the time, so many windows lie between two searches that find nothing.
BUSY_WINDOWS = 6
THREADS, TOGETHER = 16, 500
REASON = (
    f"its message was lost {ATTEMPTS + 1} times, and published again {ATTEMPTS} times in vain; "
    "upload the image again, and look at who empties the task queue"
)


@dataclass(frozen=True, slots=True)
class Resent:
    """How many images one round published again, and how many it gave up."""

    republished: int = 0
    given_up: int = 0


class Emptiness:
    """Says when a queue has been seen empty for long enough to be believed. Pure.

    Args:
        window_s: seconds for which every look must find it empty.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._since: float | None = None
        self._looks = 0

    def look(self, outstanding: int, now: float) -> bool:
        """Take note of one look; return whether there were `LOOKS` in a row, over the window, that found nothing."""
        if outstanding:
            self.doubt()
            return False
        if self._since is None:
            self._since = now
        self._looks += 1
        return self._looks >= LOOKS and now - self._since >= self._window_s

    def doubt(self) -> None:
        """Begin anew."""
        self._since, self._looks = None, 0


class Republisher:
    """One round at a time: looks at the queue, now and then searches the buckets, and publishes what was lost.

    Every method raises `ConfigurationError` or `TransientError`; the next round goes on.

    Args:
        settings: the queue, the buckets, and ``republish_s``, the window in seconds.
        app: publishes.
        before: called before anything is given a message again, so that images with a dead letter get their failure.
        dropped: returns those of some batches whose messages are to be dropped, as the batches are cancelled.
        order: tells what is done of late; without it, what is lost waits until the queue is empty.
    """

    def __init__(
        self,
        settings: Settings,
        app: Celery,
        before: Callable[[], object] = lambda: None,
        dropped: Callable[[set[str]], set[str]] = lambda batches: set(),
        order: Order | None = None,
    ) -> None:
        self._app, self._before, self._dropped = app, before, dropped
        self._window_s = settings.autoscaler.republish_s
        # One that hears nothing knows nothing.
        self._order = order or Order(self._window_s)
        self._queue, self._bulk = QueueReader(settings), settings.queue.bulk
        # They are old, and may be many: what people wait for goes before them.
        self._behind = settings.queue.bulk or settings.queue.name
        self._storage = Storage(settings)
        self._counts = Bucket(settings.aws, settings.buckets.output)
        self._unfinished = Unfinished(settings)
        self._emptiness = Emptiness(self._window_s)
        self._suspects: frozenset[str] = frozenset()
        self._rests_until, self._pause_s = float("-inf"), self._window_s
        # Of a queue that is never empty: what was overtaken at the last search, and when the next is due.
        self._overtaken: frozenset[str] = frozenset()
        self._overtaken_at = float("-inf")

    def round(self, now: float, at: datetime) -> Resent:
        """Do what is due.

        Args:
            now: monotonic seconds.
            at: the same moment by the wall clock, UTC.
        """
        depths = self._queue.depths()
        outstanding = sum(depth.total for depth in depths.values())
        if outstanding:
            self._suspects = frozenset()
            self._rests_until, self._pause_s = float("-inf"), self._window_s
        if not self._emptiness.look(outstanding, now):
            return self._round_by_order(depths, now)
        if now < self._rests_until:
            return Resent()
        stored_before = at - timedelta(seconds=self._window_s)
        found = self._search(stored_before)
        if not found:
            self._unfinished.remember(stored_before)
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
            self._rests_until = now + self._pause_s
            return Resent()
        self._emptiness.doubt()
        if not self._suspects or not self._suspects <= found:  # the first of two searches, or somebody works on them
            self._suspects = found
            return Resent()
        lost, self._suspects = self._suspects, frozenset()
        return self._resend(lost)

    def _round_by_order(self, depths: Mapping[str, QueueDepth], now: float) -> Resent:
        """Publish again what two searches, a window apart, found overtaken by all that was done of late.

        What is put off for a retry is overtaken, and so is what waits in the queue behind: while there is either,
        nothing is said. An order that is heard from an autoscaler's start on says nothing at first.
        """
        behind = depths[self._bulk].total if self._bulk in depths else 0
        oldest = self._order.oldest()
        if oldest is None or behind or any(depth.delayed for depth in depths.values()):
            self._overtaken = frozenset()
            return Resent()
        if now < self._overtaken_at:
            return Resent()
        stored_before = datetime.fromtimestamp(oldest, UTC) - timedelta(seconds=self._order.window_s)
        found = self._search(stored_before)
        retried = self._unfinished.retried_since(stored_before) if found else set()
        found = frozenset(key for key in found if batch_of(key) not in retried)
        lost, self._overtaken = found & self._overtaken, found
        self._overtaken_at = now + self._order.window_s * (1 if found else BUSY_WINDOWS)
        if not found and not retried:
            self._unfinished.remember(stored_before)
        return self._resend(lost) if lost else Resent()

    def _search(self, stored_before: datetime) -> frozenset[str]:
        """Return the images stored before then that have no outcome, but those of batches that are cancelled."""
        found = self._unfinished.search(stored_before)
        dropped = self._dropped({batch_of(key) for key in found}) if found else set()
        return frozenset(key for key in found if batch_of(key) not in dropped)

    def _resend(self, keys: Iterable[str]) -> Resent:
        """Publish ``keys`` again, or give them up; an attempt counts before it is made, so that they are bounded."""
        waiting = iter(sorted(keys))
        republished = given_up = 0
        with ThreadPoolExecutor(THREADS, "resend") as pool:
            while group := list(islice(waiting, TOGETHER)):
                self._before()
                outcomes = pool.map(self._storage.outcome, group)
                lost = [key for key, outcome in zip(group, outcomes, strict=True) if outcome is None]
                again = [key for key, more in zip(lost, pool.map(self._count, lost), strict=True) if more]
                sent = self._send(again)
                if sent:
                    log.info("images_queued", tasks=sent)
                republished += len(again)
                given_up += len(lost) - len(again)
        if republished or given_up:
            log.warning("images_republished", republished=republished, given_up=given_up)
        return Resent(republished, given_up)

    def _send(self, keys: Sequence[str]) -> dict[str, str]:
        """Publish ``keys``, each group with a trace of its own; return their tasks' ids."""
        with spans.trace("published again", images=len(keys)), bulk():
            options = {"ignore_result": True, "queue": self._behind, "headers": spans.carrier()}
            return {key: str(self._app.send_task(CLASSIFY, (key,), **options).id) for key in keys}

    def _count(self, key: str) -> bool:
        """Count one more attempt and return true; leave a failure and return false where there were enough."""
        stored = self._counts.get(COUNTS + key)
        made = int(stored.body or 0) if stored else 0
        if made >= ATTEMPTS:
            log.error("image_given_up", key=key, reason=REASON)
            self._storage.save(Failure.of(key, REASON))
            return False
        self._counts.put(COUNTS + key, str(made + 1).encode(), "text/plain")
        return True
