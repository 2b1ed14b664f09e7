"""Publishes what sources have, counts what comes of it, and writes the results as JSON lines; a step at a time.

Each step ends with the progress being written, so a process that is killed costs the others one step. Nothing is held
that grows with a source.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

import structlog

from app.aws.bucket import Bucket
from app.batches.record import INTERACTIVE, BatchRecord
from app.batches.records import Records
from app.domain import Failure, new_batch_id
from app.errors import ElastiqError, PermanentError
from app.process.steps import each, repeat
from app.settings import Settings
from app.sources.listing import look
from app.sources.progress import Progress, Progresses
from app.sources.source import Source, kept, key_of
from app.storage import FAILURE, RESULT, Storage
from web.sources.results import Results

log = structlog.get_logger(__name__)

# Objects in a step, which takes seconds: far less than a lease.
STEP = 5000
PUBLISH_AT_ONCE = 500
COUNTED_AT_ONCE = 50_000
# Between two looks at who began without us, and at whether another still goes on.
LOOK_S, OTHERS_S = 60.0, 5.0
# Between two counts: so long at least, and for each outcome that was counted, ten times what listing it takes.
COUNT_S, COUNT_EACH_S = 2.0, 0.001
# While nothing changes, each pause is twice the one before, up to this: a count costs a list and a put.
QUIET_S = 16.0
# A worker that has not heard that a batch was cancelled has looked by then.
HEARD_BY = timedelta(seconds=60)
# So often images are published again whose messages were lost; then they are given up.
ATTEMPTS = 3
LOST = f"its message was lost {ATTEMPTS + 1} times; try the batch again, and look at who empties the task queue"
# A source older than a message can live is not gone on with.
OLDEST = timedelta(days=14)

Publish = Callable[[Sequence[str], float | None], None]


class Runner:
    """Goes on with every source that nobody else is at.

    Args:
        settings: the buckets.
        records: say what a batch's source is.
        progresses: say how far each has come.
        publish: hands keys to the queues, as `web.uploads.publish.Publisher.publish` does.
        outstanding: returns how many messages the queues have.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        progresses: Progresses,
        publish: Publish,
        outstanding: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._records, self._publish, self._clock = settings, records, publish, clock
        self.progresses, self._storage = progresses, Storage(settings)
        self._outputs, self.results = Bucket(settings.aws, settings.buckets.output), Results(settings)
        self._outstanding = outstanding
        self._name = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self.stopped = False
        self._wake, self._finished = threading.Event(), set[str]()
        self._looked_at, self._open, self._stepped = float("-inf"), set[str](), False
        # When there is something to do for each again.
        self._due: dict[str, float] = {}
        # How long each has been let alone last, as nothing had changed.
        self._quiet: dict[str, float] = {}
        # Since when there has been no message and no news of each.
        self._still: dict[str, float] = {}

    def begin(self, id: str) -> None:
        """Have a batch's source be gone on with, by this process or another.

        Raises:
            TransientError, ConfigurationError: that cannot be noted.
        """
        self.progresses.begin(id)
        self._finished.discard(id)
        self._open.add(id)
        self._wake.set()

    def heard(self, id: str) -> None:
        """Take note that something was done to a batch: it may have to be gone on with."""
        self._finished.discard(id)

    def stirred(self, id: str) -> None:
        """Take note that an image of a batch has its outcome: it may be the last."""
        if self._quiet.pop(id, None) is not None:
            self._due[id] = self._clock() + COUNT_S

    def start(self) -> threading.Thread:
        """Run in a thread of its own until `stop`; then another may go on with what this one was at."""

        def wait(pause_s: float) -> bool:
            self._wake.wait(pause_s)
            self._wake.clear()
            return self.stopped

        def run() -> None:
            repeat(self.round, wait, lambda: 0.0 if self._stepped else 1.0, name="sources")
            self.leave()

        thread = threading.Thread(target=run, name="sources", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Have the thread, and whoever follows a batch, see that it is to end."""
        self.stopped = True
        self._wake.set()

    def leave(self) -> None:
        """Let others go on at once; what cannot be left, they go on with when the lease ends."""
        for id in sorted(self._open):  # a request that is still served may add to it
            with suppress(ElastiqError):
                self.progresses.leave(id, self._name)

    def round(self) -> None:
        """Take a step with each that is open; one that fails costs the others nothing."""
        now = self._clock()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            oldest = new_batch_id(datetime.now(UTC) - OLDEST, bytes(4))
            self._open |= {id for id in self.progresses.unfinished(oldest) if id not in self._finished}
        self._stepped = False
        each(*[partial(self._go_on, id) for id in sorted(self._open)])

    def _go_on(self, id: str) -> None:
        if self._clock() < self._due.get(id, 0.0):
            return
        self._due.pop(id, None)
        progress = self.progresses.step(id, self._name, partial(self._step, id))
        if progress is None or progress.over:
            self._open.discard(id)
            self._finished.add(id)
            self._quiet.pop(id, None)
        elif progress.runner not in ("", self._name):
            self._due[id] = self._clock() + OTHERS_S
        else:
            self._stepped = self._stepped or id not in self._due

    def _step(self, id: str, progress: Progress) -> Progress:
        try:
            record = self._records.read(id)
            if record.source is None or record.deleted_at:
                return replace(progress, listed=True, complete=True)
            if record.cancelled_at and not progress.listed:
                return replace(progress, listed=True)
            if not progress.listed:
                return self._publish_some(record, kept(record.source), progress)
            if not progress.counted_out:
                return self._count_some(record, progress)
            return self._collect_some(id, progress)
        except PermanentError as err:
            log.warning("source_failed", batch=id, reason=str(err))
            return replace(progress, problem=str(err))

    def _publish_some(self, record: BatchRecord, source: Source, progress: Progress) -> Progress:
        page = look(self._settings, source, record.id, progress.after, STEP)
        keys = [key_of(record.id, name) for name in page.keys]
        open = self.results.without_outcome(keys) if progress.again else keys
        if progress.lost > ATTEMPTS:
            for key in open:
                self._storage.save(Failure.of(key, LOST))
        else:
            first = math.inf if record.priority == INTERACTIVE else 0
            for at in range(0, len(open), PUBLISH_AT_ONCE):
                self._publish(open[at : at + PUBLISH_AT_ONCE], first)
        return replace(
            progress,
            after=page.after,
            published=progress.published + len(keys),
            missing=progress.missing + len(open),
            skipped=progress.skipped + page.skipped,
            listed=page.last,
        )

    def _count_some(self, record: BatchRecord, progress: Progress) -> Progress:
        """Count some of the outcomes; what is listed is looked at and let go of."""
        id, (done, failed), name, seen = record.id, progress.so_far, progress.counted, 0
        for item in islice(self._outputs.list(f"{id}/", progress.counted), COUNTED_AT_ONCE):
            name, seen = str(item["Key"]), seen + 1
            failed += name.endswith(FAILURE)
            done += name.endswith(RESULT) and not name.endswith(FAILURE)
        if seen == COUNTED_AT_ONCE:
            return replace(progress, counted=name, so_far=(done, failed))
        now = replace(progress, counted="", so_far=(0, 0), done=done, failed=failed)
        if not now.counted_out:
            if (now.done, now.failed) != (progress.done, progress.failed):
                self._quiet.pop(id, None)
                self._still.pop(id, None)
            elif record.cancelled_at:
                now = replace(now, settled=datetime.now(UTC) - record.cancelled_at >= HEARD_BY)
            else:
                self._quiet[id] = min(QUIET_S, 2 * self._quiet.get(id, COUNT_S))
                now = self._stood(record, now)
            self._due[id] = self._clock() + max(self._quiet.get(id, COUNT_S), COUNT_EACH_S * (done + failed))
        return now

    def _stood(self, record: BatchRecord, now: Progress) -> Progress:
        """Return what is to be done about images without an outcome: nothing, while there may be news of them."""
        # As long as the sweep waits for images that were uploaded; a count of SQS may lag.
        window_s = 2 * self._settings.autoscaler.republish_s
        if not window_s or self._outstanding():
            self._still.pop(record.id, None)
            return now
        if self._clock() - self._still.setdefault(record.id, self._clock()) < window_s:
            return now
        del self._still[record.id]
        if now.again and not now.missing:
            # All have an outcome: the manifest names some more than once.
            return replace(now, published=now.done + now.failed)
        log.warning("source_listed_again", batch=record.id, without_outcome=now.published - now.done - now.failed)
        return replace(now.listed_again(), lost=now.lost + 1)

    def _collect_some(self, id: str, progress: Progress) -> Progress:
        """Write one file of results; the last one, which may be empty, ends it."""
        written, after = self.results.write(id, progress.parts, progress.collected)
        return replace(progress, parts=progress.parts + written, collected=after, complete=not after)
