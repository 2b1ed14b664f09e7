"""The feed: what happens to the batches that somebody looks at.

The buckets are the truth, and are polled while a batch has listeners: one poll, however many they are.
`Feed.publish` is the fast path, for events; a lost event costs a few seconds, never a result.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import structlog

from app.batches.record import BatchRecord
from app.domain import batch_of
from app.errors import TransientError
from app.storage import Storage
from web.batches.batch import Outcome
from web.batches.watch import AFTER_ERROR_S, Change, Clock, Snapshot, Watch

log = structlog.get_logger(__name__)

READING_THREADS, POLLING_THREADS = 16, 4
# Of all batches that streams follow; where they are many, what an event did not tell comes later.
POLLS_PER_S = 50
# What is remembered of batches that nobody looks at: about a kilobyte an image.
REMEMBERED_IMAGES = 50_000
REMEMBERED_BATCHES = 500


class Feed:
    """What is known of the batches that somebody looks at. Safe to share between threads.

    Args:
        storage: the two buckets.
        clock: seconds, monotonic.
        record: returns what is known of a batch beside its images.
    """

    def __init__(
        self,
        storage: Storage,
        clock: Clock = time.monotonic,
        record: Callable[[str], BatchRecord] = BatchRecord,
    ) -> None:
        self._storage, self._clock, self._record = storage, clock, record
        self._pool = ThreadPoolExecutor(READING_THREADS, "read")
        self._polling = ThreadPoolExecutor(POLLING_THREADS, "poll")
        self._watches: OrderedDict[str, Watch] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        # How many follow each batch on the event loop, and the task that polls for them; of that loop alone.
        self._followers: Counter[Watch] = Counter()
        self._keepers: dict[Watch, asyncio.Task[None]] = {}

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

    async def follow(self, batch: str, cursor: str, sign_of_life_s: float) -> AsyncGenerator[Change, None]:
        """Yield what is known of a batch after ``cursor``, then all news at once, until it is complete.

        Args:
            batch: its id.
            cursor: one that `web.batches.batch.cursor` gave, or nothing for all.
            sign_of_life_s: seconds without news after which a `Change` without images comes.
        """
        with self._watching(batch) as watch, self._keeping(watch):
            watch.expire()
            position, current = watch.batch.position_of(cursor), False
            change = watch.since(position)

            def is_news() -> bool:
                nonlocal change
                change = watch.since(position)
                return bool(change.images) or change.complete or change.current > current or is_over()

            def is_over() -> bool:
                return self._closed.is_set() or watch.gone

            while not is_over():
                await watch.bell.wait_for(is_news, sign_of_life_s)
                if is_over():
                    return
                yield change
                current = current or change.current
                if change.images:
                    position = change.images[-1].position
                elif change.complete:
                    return

    def wait_for(self, key: str, timeout_s: float) -> Outcome | None:
        """Return what becomes of one image of late, at the latest after ``timeout_s`` seconds; None if nothing has.

        Raises:
            TransientError: this process is about to stop.
        """
        deadline = self._clock() + timeout_s
        with self._watching(batch_of(key)) as watch:
            watch.await_event()
            while not self._closed.is_set():
                outcome = watch.wait(key, deadline - self._clock())
                if outcome or self._clock() >= deadline:
                    return outcome
        raise TransientError("the web tier is stopping; the image is queued, and its result will be in its batch")

    def publish(self, outcome: Outcome) -> None:
        """Tell the listeners of a batch what became of one of its images, before the next poll would."""
        self._tell(outcome.key, outcome)

    def changed(self, batch: str) -> None:
        """Have the listeners of a batch learn what was done to it: its record was changed."""
        with self._lock:
            watch = self._watches.get(batch)
        if watch is not None:
            watch.look_again()

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
            watch = self._watches.get(batch_of(key))
        if watch is not None:
            watch.learn(key, outcome)

    @contextmanager
    def _watching(self, batch: str) -> Iterator[Watch]:
        with self._lock:
            watch = self._watches.get(batch)
            if watch is None:
                self._forget()
                watch = self._watches[batch] = Watch(batch, self._storage, self._pool, self._clock, self._record)
            self._watches.move_to_end(batch)
            watch.listeners += 1
        try:
            yield watch
        finally:
            with self._lock:
                watch.listeners -= 1

    @contextmanager
    def _keeping(self, watch: Watch) -> Iterator[None]:
        """Have one task poll for all who follow a batch on the event loop."""
        self._followers[watch] += 1
        if watch not in self._keepers:
            self._keepers[watch] = asyncio.get_running_loop().create_task(self._keep(watch))
        try:
            yield
        finally:
            self._followers[watch] -= 1
            if not self._followers[watch]:
                del self._followers[watch]
                self._keepers.pop(watch).cancel()

    async def _keep(self, watch: Watch) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if (pause := watch.until_due()) > 0:
                await watch.bell.wait(pause)
                continue
            try:
                await loop.run_in_executor(self._polling, watch.poll, len(self._keepers) / POLLS_PER_S)
            except Exception as err:
                log.error("batch_poll_broke", batch=watch.batch.id, exc_info=err)
                await asyncio.sleep(AFTER_ERROR_S)

    def _forget(self) -> None:
        """Make room: drop what was looked at the longest time ago and is not looked at now."""
        images = sum(len(watch.batch) for watch in self._watches.values())
        for id, watch in list(self._watches.items()):
            if images <= REMEMBERED_IMAGES and len(self._watches) < REMEMBERED_BATCHES:
                return
            if not watch.listeners:
                images -= len(watch.batch)
                del self._watches[id]
