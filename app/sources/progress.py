"""How far a batch has come with its source: one object, written only by whoever runs it, so that another can go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from app.aws.bucket import Bucket
from app.domain import BATCH_ID
from app.errors import ConfigurationError, TransientError
from app.process.objects import parse
from app.settings import Settings
from app.storage import SOURCES

# Who has not written for so long has ended, and another goes on.
LEASE_S = 60.0
# Of those who change one progress at a time, each tries so often.
ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come.

    Attributes:
        runner: who is at it.
        at: when that wrote last, in seconds since 1970.
        after: whence the listing goes on.
        published: images that the queue has.
        skipped: what is listed and is no image that can be taken.
        listed: whether all are published.
        again: whether the listing is one more, which publishes only what has no outcome.
        missing: how many that listing has published, or given up.
        lost: how often there was one because messages were lost.
        counted: whence the count that is under way goes on.
        so_far: images with a label, and those that failed, in that count.
        done: images with a label, as counted last.
        failed: images that failed, likewise.
        settled: whether no more outcomes are waited for.
        parts: files of results that are written.
        collected: whence the next one goes on.
        complete: whether everything is there.
        problem: why it cannot go on, in words.
    """

    runner: str = ""
    at: float = 0.0
    after: str = ""
    published: int = 0
    skipped: int = 0
    listed: bool = False
    again: bool = False
    missing: int = 0
    lost: int = 0
    counted: str = ""
    so_far: tuple[int, int] = (0, 0)
    done: int = 0
    failed: int = 0
    settled: bool = False
    parts: int = 0
    collected: str = ""
    complete: bool = False
    problem: str = ""

    @property
    def over(self) -> bool:
        """Return whether nobody has to go on with it."""
        return self.complete or bool(self.problem)

    @property
    def state(self) -> str:
        """Return it in a word."""
        if self.problem:
            return "failed"
        if self.complete:
            return "complete"
        if not self.listed:
            return "listing"
        return "collecting" if self.parts or self.counted_out else "working"

    @property
    def counted_out(self) -> bool:
        """Return whether every image has its outcome that will ever have one."""
        return self.settled or self.done + self.failed >= self.published

    def tried_again(self) -> Progress:
        """Return it for images that are tried again: outcomes are counted, and results put together, anew."""
        return replace(
            self,
            runner="",
            again=False,
            missing=0,
            lost=0,
            counted="",
            so_far=(0, 0),
            done=0,
            failed=0,
            settled=False,
            parts=0,
            collected="",
            complete=False,
            problem="",
        )

    def listed_again(self) -> Progress:
        """Return it for a listing from the beginning that publishes only what has no outcome."""
        return replace(self, after="", published=0, skipped=0, listed=False, again=True, missing=0)

    def to_public(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        told = ("published", "skipped", "listed", "parts", "problem")
        return {"state": self.state, **{name: getattr(self, name) for name in told}}

    def counts(self, *, cancelled: bool = False) -> dict[str, int]:
        """Return the batch's images by state; of what is being listed, those so far.

        Args:
            cancelled: whether the batch was cancelled, so that nobody works on what has no outcome.
        """
        left = max(0, self.published - self.done - self.failed)
        waiting = {"waiting": 0 if cancelled else left}
        outcomes = {"done": self.done, "failed": self.failed, "cancelled": left if cancelled else 0}
        return {"total": self.published, **waiting, **outcomes}


class Progresses:
    """Reads and writes progress by batch. Every method raises `TransientError` or `ConfigurationError`.

    Args:
        settings: the output bucket.
        clock: seconds since 1970.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._bucket, self._clock = Bucket(settings.aws, settings.buckets.output), clock

    def begin(self, id: str) -> None:
        """Note that a batch has a source with which nobody has begun; nothing changes if it is noted."""
        self._bucket.put(_key(id), _body(Progress()), "application/json", replace=False)

    def read(self, id: str) -> Progress | None:
        """Return how far a batch has come; None if it has no source."""
        found = self._find(id)
        return found[0] if found else None

    def unfinished(self, after: str) -> Iterator[str]:
        """Yield the batches behind the id ``after`` that have a source, the oldest first, finished ones too."""
        for item in self._bucket.list(SOURCES, f"{SOURCES}{after}"):
            id = str(item["Key"]).removeprefix(SOURCES).removesuffix(".json")
            if BATCH_ID.fullmatch(id):
                yield id

    def step(self, id: str, runner: str, take: Callable[[Progress], Progress]) -> Progress | None:
        """Take one step further, if nobody else is at it; what ``take`` does may be done again by another.

        Returns:
            How far it is now, and who is at it; None if there is none any more.
        """
        found = self._find(id)
        if found is None:
            return None
        before, etag = found
        if before.over or not self._free_to(before, runner):
            return before
        if before.runner != runner:
            mine = self._write(id, replace(before, runner=runner), etag)
            if mine is None:
                return self.read(id)
            before, etag = mine
        written = self._write(id, take(before), etag)
        return written[0] if written else self.read(id)

    def leave(self, id: str, runner: str) -> None:
        """Let another go on at once with what ``runner`` was at."""
        found = self._find(id)
        if found and found[0].runner == runner:
            self._write(id, replace(found[0], runner=""), found[1])

    def _free_to(self, progress: Progress, runner: str) -> bool:
        return progress.runner in ("", runner) or not 0 <= self._clock() - progress.at < LEASE_S

    def change(self, id: str, change: Callable[[Progress], Progress]) -> None:
        """Change how far a batch is, whoever is at it; the step that one is taking counts for nothing then."""
        for _ in range(ATTEMPTS):
            found = self._find(id)
            if found is None or self._write(id, change(found[0]), found[1]):
                return
        raise TransientError(f"others change the progress of batch {id!r} all the time; try again")

    def _find(self, id: str) -> tuple[Progress, str] | None:
        found = self._bucket.get(_key(id))
        if found is None:
            return None
        try:
            data = parse(found.body or b"")
            known = {field.name: data[field.name] for field in fields(Progress) if field.name in data}
            so_far = tuple(map(int, known.pop("so_far", (0, 0))))
            return Progress(**known, so_far=(so_far[0], so_far[1])), found.etag
        except (ValueError, TypeError, IndexError) as err:
            raise ConfigurationError(f"the object {_key(id)!r} in the output bucket is no progress: {err}") from err

    def _write(self, id: str, progress: Progress, etag: str) -> tuple[Progress, str] | None:
        """Write it if it is still what was read; return it with its new tag, None if another has written."""
        progress = replace(progress, at=self._clock())
        if not self._bucket.put_if_same(_key(id), _body(progress), "application/json", etag):
            return None
        found = self._find(id)
        return found if found and found[0].runner == progress.runner else None


def _key(id: str) -> str:
    return f"{SOURCES}{id}.json"


def _body(progress: Progress) -> bytes:
    return json.dumps(asdict(progress)).encode()
