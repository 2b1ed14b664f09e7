"""Finds the images of batches that have no outcome yet, without walking through all that was ever uploaded.

Batch ids sort by time, and S3 lists in that order from any name on. So a search begins at a mark before which every
batch is known to be finished, and moves it on. Keys that a caller chose himself, under no batch, are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby, takewhile
from typing import Any

from app.aws.bucket import Bucket
from app.batches.marks import RETRIED, Marks
from app.domain import BATCH_ID, new_batch_id
from app.settings import Settings
from app.storage import FAILURE, RESULT

# The first search goes back as far as a message can live.
RETENTION = timedelta(days=14)
# A batch may be added to; after so long it is not expected to be, and once finished it is not looked at again.
GROWS_FOR = timedelta(days=1)
MARK = "_resent/finished-before"


class Unfinished:
    """Searches both buckets. Every method raises `ConfigurationError` or `TransientError`.

    Args:
        settings: the buckets.
    """

    def __init__(self, settings: Settings) -> None:
        self._inputs = Bucket(settings.aws, settings.buckets.input)
        self._outputs = Bucket(settings.aws, settings.buckets.output)
        self._retried = Marks(settings, RETRIED)
        self._mark: str | None = None

    def search(self, stored_before: datetime) -> frozenset[str]:
        """Return the keys stored before ``stored_before`` (UTC) that have no outcome; later ones may be on their way.

        It lists both buckets once, from the mark on: one call for a thousand names; and batches of which images were
        published again of late.
        """
        mark = self._begin(stored_before)
        keys: set[str] = set()
        outcomes = _Outcomes(_batches(self._outputs, mark, stored_before))
        for batch, images in _batches(self._inputs, mark, stored_before):
            done = outcomes.of(batch)
            keys |= _without_outcome(images, done, stored_before)
        for batch in list(self._retried.names(stored_before)):
            found = self._of(batch, stored_before)
            if not found:
                self._retried.remove(batch)
            keys |= found
        return frozenset(keys)

    def retried_since(self, at: datetime) -> set[str]:
        """Return the batches of which images were published again since ``at``; their messages are younger."""
        return set(self._retried.names(put_since=at))

    def _of(self, batch: str, stored_before: datetime) -> set[str]:
        """Return the same of one batch, however old it is."""
        images = list(self._inputs.list(f"{batch}/"))  # before outcomes: what is done meanwhile has one
        return _without_outcome(images, {item["Key"] for item in self._outputs.list(f"{batch}/")}, stored_before)

    def remember(self, finished_before: datetime) -> None:
        """Let the next search, of another process too, begin a day before ``finished_before``: a search found none."""
        mark = _first_id(finished_before - GROWS_FOR)
        self._outputs.put(MARK, mark.encode(), "text/plain")
        self._mark = mark

    def _begin(self, now: datetime) -> str:
        if self._mark is None:
            stored = self._outputs.get(MARK)
            self._mark = (stored.body or b"").decode() if stored else ""
        return max(self._mark, _first_id(now - RETENTION))


def _without_outcome(images: Iterable[dict[str, Any]], done: set[str], stored_before: datetime) -> set[str]:
    """Return the keys of the ``images`` stored before then of which no outcome is among the names ``done``."""
    names = (image["Key"] for image in images if image["LastModified"] < stored_before)
    return {key for key in names if key + RESULT not in done and key + FAILURE not in done}


class _Outcomes:
    """The names of results, asked for batch by batch in the order of their ids."""

    def __init__(self, batches: Iterator[tuple[str, Iterator[dict[str, Any]]]]) -> None:
        self._batches = batches
        self._next = next(batches, None)

    def of(self, batch: str) -> set[str]:
        """Return the names of one batch's results."""
        while self._next and self._next[0] < batch:
            self._next = next(self._batches, None)
        if self._next is None or self._next[0] != batch:
            return set()
        return {item["Key"] for item in self._next[1]}


def _batches(bucket: Bucket, after: str, before: datetime) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Yield each batch with its objects, from the id ``after`` to those made at ``before``."""
    end = _first_id(before)
    items = takewhile(lambda item: item["Key"] < end, bucket.list("", after))
    for id, of_batch in groupby(items, key=lambda item: str(item["Key"]).partition("/")[0]):
        if BATCH_ID.fullmatch(id):
            yield id, of_batch


def _first_id(at: datetime) -> str:
    """Return the least id of a batch made at ``at``."""
    return new_batch_id(at, bytes(4))
