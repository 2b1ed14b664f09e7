"""The feed: what happens to the batches that somebody looks at.

The buckets are the truth, and are polled while a batch has listeners: one poll, however many they are.
`Feed.publish` is the fast path, for events; a lost event costs a second or two, never a result.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from app.errors import ElastiqError, TransientError
from app.storage import Storage
from web.batch import Batch, Counts, Image, Outcome, cursor

log = structlog.get_logger(__name__)

FASTEST_POLL_S, SLOWEST_POLL_S = 0.5, 2.0
# While events bring the news, a poll only looks for those that were lost.
POLL_AMID_EVENTS_S = 10.0
# Listing a batch of many thousands takes a while: it is never more than this part of the time.
POLL_SHARE = 0.2
AFTER_ERROR_S = 5.0
READING_THREADS = 16
# Results read between two looks at who waits for them.
READ_AT_ONCE = 256
# What is remembered of batches that nobody looks at: about a kilobyte an image.
REMEMBERED_IMAGES = 50_000
REMEMBERED_BATCHES = 500

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Change:
    """News of a batch, the oldest first. Without any it is a sign of life, or the end when ``complete``."""

    images: list[Image]
    counts: Counts
    epoch: str
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A batch at a moment: images by name, and the cursor from which to follow it."""

    images: list[Image]
    counts: Counts
    cursor: str


class Feed:
    """What is known of the batches that somebody looks at. Safe to share between threads.

    Args:
        storage: the two buckets.
        clock: seconds, monotonic.
    """

    def __init__(self, storage: Storage, clock: Clock = time.monotonic) -> None:
        self._storage, self._clock = storage, clock
        self._pool = ThreadPoolExecutor(READING_THREADS, "read")
        self._watches: OrderedDict[str, _Watch] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def snapshot(self, batch: str, after: str = "") -> Snapshot:
        """Return all that the buckets have of a batch, or what is newer than the cursor ``after``.

        The counts are of all of it; a batch that does not exist has none.

        Raises:
            TransientError, ConfigurationError: a bucket does not answer.
        """
        with self._watching(batch) as watch:
            watch.catch_up()
            return watch.snapshot(after)

    def exists(self, batch: str) -> bool:
        """Return whether a batch has any image, without reading it all.

        Raises:
            TransientError, ConfigurationError: a bucket does not answer.
        """
        with self._watching(batch) as watch:
            return bool(
                len(watch.batch) or next(self._storage.images(batch), None) or next(self._storage.outcomes(batch), None)
            )

    def follow(self, batch: str, cursor: str, sign_of_life_s: float) -> Iterator[Change]:
        """Yield what is known of a batch after ``cursor``, then all news at once, until it is complete.

        Args:
            batch: its id.
            cursor: one of `Batch.cursor`, or nothing for all.
            sign_of_life_s: seconds without news after which a `Change` without images comes.
        """
        with self._watching(batch) as watch:
            watch.expire()
            position = watch.batch.position_of(cursor)
            spoke = self._clock()
            while not self._closed.is_set():
                change = watch.since(position)
                if change.images or change.complete or self._clock() - spoke >= sign_of_life_s:
                    spoke = self._clock()
                    yield change
                    if change.images:
                        position = change.images[-1].position
                    elif change.complete:
                        return
                else:
                    watch.wait(position, spoke + sign_of_life_s - self._clock())

    def wait_for(self, key: str, timeout_s: float) -> Outcome | None:
        """Return what becomes of one image, at the latest after ``timeout_s`` seconds; None if nothing has.

        Raises:
            TransientError: this process is about to stop.
        """
        deadline = self._clock() + timeout_s
        with self._watching(_batch_of(key)) as watch:
            while not self._closed.is_set():
                with watch.changed:
                    outcome, position = watch.batch.outcome(key), watch.batch.position
                remaining = deadline - self._clock()
                if outcome or remaining <= 0:
                    return outcome
                watch.wait(position, remaining)
        raise TransientError("the web tier is stopping; the image is queued, and its result will be in its batch")

    def publish(self, outcome: Outcome) -> None:
        """Tell the listeners of a batch what became of one of its images, before the next poll would."""
        self._tell(outcome.key, outcome)

    def expect(self, keys: Iterable[str]) -> None:
        """Tell the listeners of a batch that it has these images."""
        for key in keys:
            self._tell(key, None)

    def close(self) -> None:
        """End every stream and every wait."""
        self._closed.set()
        with self._lock:
            watches = list(self._watches.values())
        for watch in watches:
            watch.wake()

    def _tell(self, key: str, outcome: Outcome | None) -> None:
        with self._lock:
            watch = self._watches.get(_batch_of(key))
        if watch is not None:
            watch.learn(key, outcome)

    @contextmanager
    def _watching(self, batch: str) -> Iterator[_Watch]:
        with self._lock:
            watch = self._watches.get(batch)
            if watch is None:
                self._forget()
                watch = self._watches[batch] = _Watch(batch, self._storage, self._pool, self._clock)
            self._watches.move_to_end(batch)
            watch.listeners += 1
        try:
            yield watch
        finally:
            with self._lock:
                watch.listeners -= 1

    def _forget(self) -> None:
        """Make room: drop what was looked at the longest time ago and is not looked at now."""
        images = sum(len(watch.batch) for watch in self._watches.values())
        for id, watch in list(self._watches.items()):
            if images <= REMEMBERED_IMAGES and len(self._watches) < REMEMBERED_BATCHES:
                return
            if not watch.listeners:
                images -= len(watch.batch)
                del self._watches[id]


class _Watch:
    """One batch and its polling. Whoever waits and finds a poll due does it, and wakes the others."""

    def __init__(self, batch: str, storage: Storage, pool: ThreadPoolExecutor, clock: Clock) -> None:
        self.batch = Batch(batch, secrets.token_hex(4))
        self.changed = threading.Condition()
        self.listeners = 0
        self._storage, self._pool, self._clock = storage, pool, clock
        self._unread: deque[str] = deque()
        self._polling = False
        self._polled_at = self._due = clock() - SLOWEST_POLL_S
        self._interval = FASTEST_POLL_S
        # Whether the input bucket was listed when the names in `_unread` were, and nothing was left waiting after that.
        self._inputs_listed = self._confirmed = False

    def learn(self, key: str, outcome: Outcome | None) -> None:
        with self.changed:
            if not self.batch.update(key, outcome):
                return
            if outcome is None:
                self._confirmed = False
            elif self.batch.counts().waiting:
                next_event = self._clock() + SLOWEST_POLL_S
                self._due = max(self._due, min(next_event, self._polled_at + POLL_AMID_EVENTS_S))
            else:
                # The end is near: look at once whether anybody has added to the batch.
                self._due = self._clock()
            self.changed.notify_all()

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def expire(self) -> None:
        """Have the buckets looked at before the batch counts as complete: another process may have added to it."""
        with self.changed:
            if not self._polling and not self._unread and self._clock() - self._polled_at > FASTEST_POLL_S:
                self._confirmed = False
                self._due = self._clock()

    def since(self, position: int) -> Change:
        with self.changed:
            images = self.batch.since(position)
            return Change(images, self.batch.counts(), self.batch.epoch, complete=self._confirmed and not images)

    def snapshot(self, after: str) -> Snapshot:
        with self.changed:
            position = self.batch.position_of(after)
            images = self.batch.since(position) if position else self.batch.images()
            return Snapshot(images, self.batch.counts(), cursor(self.batch.epoch, self.batch.position))

    def wait(self, position: int, timeout_s: float) -> None:
        """Return when there is news after ``position`` or a poll is over, at the latest after ``timeout_s``."""
        with self.changed:
            if self.batch.position > position:
                return
            to_poll = self._due - self._clock()
            if self._polling or to_poll > 0:
                self.changed.wait(max(0.0, timeout_s if self._polling else min(timeout_s, to_poll)))
                return
            self._polling = True
        try:
            self._poll()
        except ElastiqError as err:
            log.warning("batch_poll_failed", batch=self.batch.id, reason=str(err))
            self._due = self._clock() + AFTER_ERROR_S
        finally:
            self._end_poll()

    def catch_up(self) -> None:
        """Return once all is known that the buckets hold now."""
        with self.changed:
            self.changed.wait_for(lambda: not self._polling)
            self._polling = True
        try:
            self._list(whole=True)
            self._read()
            while self._unread:
                self._read()
        finally:
            self._end_poll()

    def _end_poll(self) -> None:
        with self.changed:
            self._polling = False
            self.changed.notify_all()

    def _poll(self) -> None:
        """List what is new when nothing is left to read, then read a bounded part of it."""
        started = self._clock()
        if not self._unread:
            # While some wait there can be no end, so the input bucket need not be asked.
            self._list(whole=not self.batch.counts().waiting)
        news = self._read()
        self._polled_at = self._clock()
        self._interval = FASTEST_POLL_S if news else min(SLOWEST_POLL_S, self._interval * 1.3)
        pause = max(self._interval, (self._polled_at - started) / POLL_SHARE)
        more = self._unread or not (self._confirmed or self.batch.counts().waiting)
        self._due = self._polled_at + (0 if more else pause)

    def _list(self, *, whole: bool) -> None:
        # Images before outcomes: an outcome that is listed has its image then.
        for image in self._storage.images(self.batch.id) if whole else ():
            self.learn(image.key, None)
        names = list(self._storage.outcomes(self.batch.id))
        with self.changed:
            self._inputs_listed = whole
            self._unread = deque(self.batch.unread(names))

    def _read(self) -> bool:
        """Read some of what was listed; return whether it was news."""
        names = [self._unread.popleft() for _ in range(min(READ_AT_ONCE, len(self._unread)))]
        outcomes = [outcome for outcome in self._pool.map(self._storage.read_outcome, names) if outcome]
        with self.changed:
            news = [self.batch.update(outcome.key, outcome) for outcome in outcomes]
            self._confirmed = self._inputs_listed and not self._unread and not self.batch.counts().waiting
            if any(news):
                self.changed.notify_all()
        return any(news)


def _batch_of(key: str) -> str:
    return key.partition("/")[0]
