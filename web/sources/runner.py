"""Publishes what sources have, counts what comes of it, and writes the results as JSON lines; a step at a time.

Each step ends with the progress being written, so a process that is killed costs the others one step. Nothing is held
that grows with a source.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import structlog

from app.aws.bucket import Bucket
from app.batches.record import INTERACTIVE
from app.batches.records import Records
from app.domain import Classification, Failure, new_batch_id
from app.errors import PermanentError
from app.process.steps import each, repeat
from app.settings import Settings
from app.sources.listing import look
from app.sources.progress import Progress, Progresses
from app.sources.source import Source, kept, key_of, name_in
from app.storage import BATCHES, FAILURE, RESULT, Storage

log = structlog.get_logger(__name__)

# Objects in a step, which takes seconds: far less than a lease.
STEP = 5000
PUBLISH_AT_ONCE = 500
COUNTED_AT_ONCE = 50_000
# Results in one file of them.
PART = 10_000
READING_THREADS = 16
# Between two looks at who began without us, and between two counts, at least; counting is a tenth of the time at most.
LOOK_S, COUNT_S, COUNT_SHARE = 60.0, 2.0, 0.1
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
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        progresses: Progresses,
        publish: Publish,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._records, self._publish, self._clock = settings, records, publish, clock
        self.progresses, self._storage = progresses, Storage(settings)
        self._outputs = Bucket(settings.aws, settings.buckets.output)
        self._pool = ThreadPoolExecutor(READING_THREADS, "collect")
        self._name = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self.stopped = False
        self._wake, self._finished = threading.Event(), set[str]()
        self._looked_at, self._open, self._stepped = float("-inf"), set[str](), False
        # When each is to be counted next.
        self._count_at: dict[str, float] = {}
        # What the count under way has taken, in seconds.
        self._counting: dict[str, float] = {}

    def begin(self, id: str) -> None:
        """Have a batch's source be gone on with, by this process or another.

        Raises:
            TransientError, ConfigurationError: that cannot be noted.
        """
        self.progresses.begin(id)
        self._open.add(id)
        self._wake.set()

    def start(self) -> threading.Thread:
        """Run in a thread of its own until `stop`."""

        def wait(pause_s: float) -> bool:
            self._wake.wait(pause_s)
            self._wake.clear()
            return self.stopped

        def run() -> None:
            repeat(self.round, wait, lambda: 0.0 if self._stepped else 1.0, name="sources")

        thread = threading.Thread(target=run, name="sources", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Have the thread, and whoever follows a batch, see that it is to end."""
        self.stopped = True
        self._wake.set()

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
        if self._clock() < self._count_at.get(id, 0.0):
            return
        self._count_at.pop(id, None)
        progress = self.progresses.step(id, self._name, partial(self._step, id))
        if progress is None or progress.over:
            # Somebody else's is looked at again with all others.
            self._open.discard(id)
            if progress is not None:
                self._finished.add(id)
        else:
            self._stepped = self._stepped or id not in self._count_at

    def _step(self, id: str, progress: Progress) -> Progress:
        try:
            record = self._records.read(id)
            if record.source is None or record.deleted_at or record.cancelled_at:
                return replace(progress, listed=True, complete=True)
            if not progress.listed:
                first = math.inf if record.priority == INTERACTIVE else 0
                return self._publish_some(id, kept(record.source), progress, first)
            if progress.done + progress.failed < progress.published:
                return self._counted(id, progress)
            return self._collect_some(id, progress)
        except PermanentError as err:
            log.warning("source_failed", batch=id, reason=str(err))
            return replace(progress, problem=str(err))

    def _publish_some(self, id: str, source: Source, progress: Progress, first: float) -> Progress:
        page = look(self._settings, source, id, progress.after, STEP)
        keys = [key_of(id, name) for name in page.keys]
        for at in range(0, len(keys), PUBLISH_AT_ONCE):
            self._publish(keys[at : at + PUBLISH_AT_ONCE], first)
        return replace(
            progress,
            after=page.after,
            published=progress.published + len(keys),
            skipped=progress.skipped + page.skipped,
            listed=page.last,
        )

    def _counted(self, id: str, progress: Progress) -> Progress:
        """Count some of the outcomes; what is listed is looked at and let go of."""
        began, (done, failed), name, seen = self._clock(), progress.so_far, progress.counted, 0
        for item in islice(self._outputs.list(f"{id}/", progress.counted), COUNTED_AT_ONCE):
            name, seen = str(item["Key"]), seen + 1
            failed += name.endswith(FAILURE)
            done += name.endswith(RESULT) and not name.endswith(FAILURE)
        self._counting[id] = self._counting.get(id, 0.0) + self._clock() - began
        if seen == COUNTED_AT_ONCE:
            return replace(progress, counted=name, so_far=(done, failed))
        pause_s = max(COUNT_S, self._counting.pop(id) / COUNT_SHARE)
        if done + failed < progress.published:
            self._count_at[id] = self._clock() + pause_s
        return replace(progress, counted="", so_far=(0, 0), done=done, failed=failed)

    def _collect_some(self, id: str, progress: Progress) -> Progress:
        """Write one file of results; the last one, which may be empty, ends it."""
        listed = self._outputs.list(f"{id}/", progress.collected)
        names = [str(item["Key"]) for item in islice(listed, PART)]
        found = [outcome for outcome in self._pool.map(self._storage.read_outcome, names) if outcome]
        if found:
            lines = "".join(json.dumps(_line(outcome)) + "\n" for outcome in found)
            self._outputs.put(f"{results_of(id)}part-{progress.parts:05}.jsonl", lines.encode(), "application/jsonl")
        after = names[-1] if names else progress.collected
        return replace(progress, parts=progress.parts + bool(found), collected=after, complete=len(names) < PART)


def results_of(batch: str) -> str:
    """Return what the names of the files of a batch's results begin with, in the output bucket."""
    return f"{BATCHES}{batch}/results/"


def why_not_whole(settings: Settings, batch: str) -> str:
    """Return what to tell who asks for all images of a batch with a source at once."""
    where = f"s3://{settings.buckets.output}/{results_of(batch)}"
    return f"a batch with a source is too large for one answer; its results are in {where}, once complete"


def _line(outcome: Classification | Failure) -> dict[str, Any]:
    """Return what a line says of one image; ``key`` is the object's in its source."""
    _, name = name_in(outcome.key) or ("", outcome.key)
    state = "done" if isinstance(outcome, Classification) else "failed"
    return {**outcome.to_json(), "key": name, "image": outcome.key, "state": state}
