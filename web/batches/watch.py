"""One batch, watched: what is known of it, and when to ask the buckets for more."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from math import inf

import structlog

from app.batches.record import BatchRecord
from app.errors import ElastiqError
from app.storage import Storage
from web.batches.batch import Batch, Counts, Image, Outcome, cursor
from web.http.bell import Bell

log = structlog.get_logger(__name__)

FASTEST_POLL_S, SLOWEST_POLL_S = 0.5, 2.0
# While events bring the news, a poll only looks for those that were lost.
POLL_AMID_EVENTS_S = 10.0
# Listing a batch of many thousands takes a while: it is never more than this part of the time.
POLL_SHARE = 0.2
AFTER_ERROR_S = 5.0
# Results read between two looks at who waits for them.
READ_AT_ONCE = 64
# Images in one `Change`: what is told at once, and what a client that takes nothing keeps in memory.
TOLD_AT_ONCE = 100
CHANGES_KEPT = 16

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """News of a batch, the oldest first. Without any it is a sign of life, or the end when ``complete``.

    All who are told the same are given the same one.

    Attributes:
        current: whether nothing that was there before is left to be told: what follows has just happened.
    """

    images: list[Image]
    counts: Counts
    epoch: str
    complete: bool = False
    current: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A batch at a moment: images by path, and the cursor from which to follow it."""

    images: list[Image]
    counts: Counts
    cursor: str


class Watch:
    """One batch and its polling. Whoever waits and finds a poll due does it, and wakes the others.

    Safe to share between threads; those on an event loop wait by `bell`, and one of them polls for all.

    Args:
        batch: its id.
        storage: the two buckets.
        pool: reads results.
        clock: seconds, monotonic.
        record: returns what is known of a batch beside its images.

    Attributes:
        gone: whether the batch was deleted.
    """

    def __init__(
        self,
        batch: str,
        storage: Storage,
        pool: Executor,
        clock: Clock,
        record: Callable[[str], BatchRecord] = BatchRecord,
    ) -> None:
        self._record, self.gone = record, False
        self.batch = Batch(batch, secrets.token_hex(4))
        self.changed = threading.Condition()
        self.bell = Bell()
        # Who waits for what becomes of each image: an event wakes those whom it concerns, not all.
        self._waiting: dict[str, list[threading.Event]] = {}
        self.listeners = 0
        self._storage, self._pool, self._clock = storage, pool, clock
        self._unread: deque[str] = deque()
        self._polling = False
        self._polled_at = self._due = clock() - SLOWEST_POLL_S
        self._interval = FASTEST_POLL_S
        # Whether the input bucket was listed when the names in `_unread` were, and nothing was left waiting after that.
        self._inputs_listed = self._confirmed = False
        # Whether something was done to the batch since they were listed.
        self._again = False
        # Whether the outcomes that were there when somebody began to follow have been read.
        self._current = False
        # What `since` has answered of what is known, by position.
        self._known: tuple[int, bool, bool] | None = None
        self._changes: dict[int, Change] = {}
        # All that the buckets held at this time is known.
        self._caught_up_to = clock() - 1

    def learn(self, key: str, outcome: Outcome | None) -> None:
        """Note an image, or what became of it."""
        with self.changed:
            if not self.batch.update(key, outcome):
                return
            self._tell(key)
            if outcome is None:
                self._confirmed = False
            elif self.batch.counts().waiting:
                next_event = self._clock() + SLOWEST_POLL_S
                self._due = max(self._due, min(next_event, self._polled_at + POLL_AMID_EVENTS_S))
            else:
                # The end is near: look at once whether anybody has added to the batch.
                self._due = self._clock()
                self._tell_all()

    def look_again(self) -> None:
        """Have the buckets asked as soon as may be: something was done to the batch."""
        with self.changed:
            self._confirmed, self._again = False, True
            self._due = self._clock()
            self._tell_all()

    def wake(self) -> None:
        """Have everyone who waits look again."""
        with self.changed:
            self._tell_all()

    def expire(self) -> None:
        """Have the buckets looked at before the batch counts as complete or current: others may have added to it."""
        with self.changed:
            if not self._polling and not self._unread and self._clock() - self._polled_at > FASTEST_POLL_S:
                self._confirmed = self._current = False
                self._due = self._clock()

    def await_event(self) -> None:
        """Leave it to an event, for a moment, to say what becomes of an image that was published just now."""
        with self.changed:
            no_event_by = self._clock() + FASTEST_POLL_S
            self._due = max(self._due, min(no_event_by, self._polled_at + POLL_AMID_EVENTS_S))

    def since(self, position: int) -> Change:
        """Return the news after ``position``, at most the first `TOLD_AT_ONCE`."""
        with self.changed:
            known = self.batch.position, self._confirmed, self._current
            if known != self._known or len(self._changes) >= CHANGES_KEPT:
                self._known = known
                self._changes.clear()
            if position not in self._changes:
                self._changes[position] = self._since(position)
            return self._changes[position]

    def snapshot(self, after: str) -> Snapshot:
        """Return all that is known, or what is newer than the cursor ``after``."""
        with self.changed:
            position = self.batch.position_of(after)
            images = self.batch.since(position) if position else self.batch.images()
            return Snapshot(images, self.batch.counts(), cursor(self.batch.epoch, self.batch.position))

    def wait(self, key: str, timeout_s: float) -> Outcome | None:
        """Return what became of one image, if anything has: when that is known, a poll is over, or time is up."""
        with self.changed:
            if outcome := self.batch.outcome(key):
                return outcome
            if (pause := self._until_due()) > 0:
                woken = threading.Event()
                self._waiting.setdefault(key, []).append(woken)
        if pause > 0:
            woken.wait(min(timeout_s, pause))
        else:
            self.poll()
        with self.changed:
            if pause > 0:
                self._waiting[key].remove(woken)
                if not self._waiting[key]:
                    del self._waiting[key]
            return self.batch.outcome(key)

    def until_due(self) -> float:
        """Return the seconds until the buckets are to be asked; infinite while somebody does, who will wake all."""
        with self.changed:
            return self._until_due()

    def poll(self, least_pause_s: float = 0) -> None:
        """Ask the buckets, if that is due, and leave them alone for ``least_pause_s`` if that may be."""
        with self.changed:
            if self._until_due() > 0:
                return
            self._polling = True
        self._poll(least_pause_s)

    def catch_up(self) -> None:
        """Return once all is known that the buckets hold now; those who ask at the same time share the work.

        Raises:
            TransientError, ConfigurationError: a bucket does not answer.
        """
        asked = self._clock()
        with self.changed:
            self.changed.wait_for(lambda: not self._polling or self._caught_up_to >= asked)
            if self._caught_up_to >= asked:
                return
            self._polling = True
        started = self._clock()
        try:
            self._list(whole=True)
            self._read()
            while self._unread:
                self._read()
            self._caught_up_to = started
        finally:
            self._end_poll()

    def _end_poll(self) -> None:
        with self.changed:
            self._polling = False
            self._tell_all()

    def _since(self, position: int) -> Change:
        found = self.batch.since(position)
        images = found[:TOLD_AT_ONCE]
        current = self._current and len(images) == len(found)
        return Change(images, self.batch.counts(), self.batch.epoch, self._confirmed and not found, current)

    def _until_due(self) -> float:
        return inf if self._polling else self._due - self._clock()

    def _tell(self, key: str) -> None:
        for woken in self._waiting.get(key, ()):
            woken.set()
        self.bell.ring()

    def _tell_all(self) -> None:
        self.changed.notify_all()
        for key in self._waiting:
            self._tell(key)
        self.bell.ring()

    def _poll(self, least_pause_s: float) -> None:
        try:
            self._look(least_pause_s)
        except ElastiqError as err:
            log.warning("batch_poll_failed", batch=self.batch.id, reason=str(err))
            self._due = self._clock() + AFTER_ERROR_S
        finally:
            self._end_poll()

    def _look(self, least_pause_s: float) -> None:
        """List what is new when nothing is left to read, then read a bounded part of it."""
        started = self._clock()
        if not self._unread:
            # While some wait there can be no end, so the input bucket need not be asked.
            self._list(whole=self._again or not self.batch.counts().waiting)
        news = self._read()
        self._polled_at = self._clock()
        self._interval = FASTEST_POLL_S if news else min(SLOWEST_POLL_S, self._interval * 1.3)
        pause = max(self._interval, least_pause_s, (self._polled_at - started) / POLL_SHARE)
        more = self._unread or self._again or not (self._confirmed or self.batch.counts().waiting)
        self._due = self._polled_at + (0 if more else pause)

    def _list(self, *, whole: bool) -> None:
        self._again = False
        record, position = self._record(self.batch.id), self.batch.position
        # Images before outcomes: an outcome that is listed has its image then.
        for image in self._storage.images(self.batch.id) if whole else ():
            self.learn(image.key, None)
        names = dict.fromkeys(self._storage.outcomes(self.batch.id))
        with self.changed:
            self._inputs_listed, self.gone = whole, record.deleted_at is not None
            for key in self.batch.cancel(record.cancelled_at is not None) + self.batch.forgive(names, position):
                self._tell(key)
            self._unread = deque(self.batch.unread(names))

    def _read(self) -> bool:
        """Read some of what was listed; return whether it was news."""
        names = [self._unread.popleft() for _ in range(min(READ_AT_ONCE, len(self._unread)))]
        outcomes = [outcome for outcome in self._pool.map(self._storage.read_outcome, names) if outcome]
        with self.changed:
            news = [outcome.key for outcome in outcomes if self.batch.update(outcome.key, outcome)]
            self._current = self._current or not self._unread
            self._confirmed = self._inputs_listed and not self._unread and not self.batch.counts().waiting
            for key in news:
                self._tell(key)
        return bool(news)
