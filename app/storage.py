"""The two buckets: images in, results out. What is in them is the only truth about a batch."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from app.aws.bucket import Bucket
from app.domain import BATCH_ID, LIFE_TIMES, Classification, Failure, Life, Prediction, filename_of
from app.errors import ImageExists, ImageNotFound, InvalidImage, InvalidKey
from app.settings import Settings

RESULT, FAILURE = ".txt", ".error.txt"
# Where Celery keeps what ``.get()`` returns, in the output bucket; it expires after a day.
TASK_RESULTS = "_celery/"
# All that is known of batches beside their images and results.
BATCHES = "_batches/"
# What clients were promised by a key of their own, among that; it counts for a day.
PROMISES = f"{BATCHES}_idempotency/"
# How far each batch has come whose images nobody uploads, among that.
SOURCES = f"{BATCHES}_sources/"
# In the input bucket, what clients have put there themselves and nobody has looked at; it expires after a day.
STAGED = "_staged/"
RESERVED = (TASK_RESULTS, BATCHES, STAGED)
# S3 takes keys of 1024 bytes, and an outcome's name is longer than its image's.
MAX_KEY_BYTES = 1024 - len(FAILURE)
# S3 takes 2 KB of user metadata in all; the rest is for the header's own name.
_METADATA_BYTES = 1900


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in the input bucket; ``size`` in bytes."""

    key: str
    size: int
    stored_at: datetime


class Storage:
    """Images and results by key. Safe to share between threads.

    Every method raises `ConfigurationError` (no such bucket, no right to it) or `TransientError`
    where it says nothing else.
    """

    def __init__(self, settings: Settings, *, connections: int = 32) -> None:
        self._input = Bucket(settings.aws, settings.buckets.input, connections=connections)
        self._output = Bucket(settings.aws, settings.buckets.output, connections=connections)
        self._max_file_bytes = settings.images.max_file_bytes

    def put_image(self, key: str, body: bytes | BinaryIO, content_type: str, *, replace: bool = False) -> bool:
        """Store one image; storing the same bytes twice changes nothing.

        Returns:
            Whether it was stored; false when it was there already.

        Raises:
            ImageExists: there is another one of this key, and ``replace`` is false.
            InvalidKey: no image can have this key.
        """
        _check(key)
        if self._input.put(key, body, content_type, replace=replace):
            return True
        # A call whose answer was lost is made again; then what is there is this very image.
        if not self._input.holds(key, body):
            raise ImageExists(f"there is another image {key!r} already")
        return False

    def get_image(self, key: str) -> bytes:
        """Return one image's bytes.

        Raises:
            ImageNotFound: no such key.
            InvalidImage: it is larger than ``ELASTIQ_MAX_FILE_BYTES``; it is not read.
            InvalidKey: no image can have this key.
        """
        _check(key)
        return self.fetch(self._input, key)

    def fetch(self, bucket: Bucket, key: str) -> bytes:
        """Return the bytes of the image that any ``bucket`` has under ``key``.

        Raises:
            ImageNotFound, InvalidImage: as `get_image`.
        """
        found = bucket.get(key, self._max_file_bytes)
        if found is None:
            raise ImageNotFound(f"there is no image {key!r} in bucket {bucket.name!r}")
        if found.body is None:
            raise InvalidImage(f"the file has more than {self._max_file_bytes:,} bytes")
        return found.body

    def stored_at(self, key: str) -> datetime | None:
        """Return when the image ``key`` was stored, UTC, to the second; None if there is none.

        Raises:
            InvalidKey: no image can have this key.
        """
        _check(key)
        return self._input.stored_at(key)

    def images(self, batch: str, after: str = "") -> Iterator[StoredImage]:
        """Yield the images of ``batch``, by key; only those behind the key ``after``."""
        for item in self._input.list(f"{batch}/", after):
            yield StoredImage(item["Key"], item["Size"], item["LastModified"])

    def batches(self, after: str = "") -> Iterator[str]:
        """Yield the ids of all batches that anything is known of, those from ``after`` on, the oldest first."""
        listed = (
            self._input.folders(after=after),
            self._output.folders(after=after),
            self._output.folders(BATCHES, after),
        )
        last = ""
        for id in heapq.merge(*listed):
            if id != last and BATCH_ID.fullmatch(id):
                last = id
                yield id

    def save(self, outcome: Classification | Failure, life: Life | None = None) -> None:
        """Write ``<key>.txt`` or ``<key>.error.txt``; saving the same outcome twice changes nothing.

        The text has the label; the rest is metadata, with when a worker did what, and where labels so long that S3 has
        no room for them cost the last of the top five.
        """
        if isinstance(outcome, Failure):
            self._put_text(outcome.key + FAILURE, outcome.reason, {}, life)
            return
        top5 = [[p.label, p.score] for p in outcome.top5]
        details = {"score": outcome.score, "top5": top5, "model": outcome.model}
        room = _METADATA_BYTES - len(_written(life))
        while len(json.dumps(details)) > room and top5:
            top5.pop()
        self._put_text(outcome.key + RESULT, f"({outcome.filename}, {outcome.label})", details, life)

    def life(self, key: str) -> Life | None:
        """Return when a worker did what with the image ``key``; None where nothing says so."""
        for name in (key + RESULT, key + FAILURE):
            found = self._output.get(name)
            if found is not None and "life" in found.metadata:
                return _read_life(found.metadata["life"])
        return None

    def outcome(self, key: str) -> Classification | Failure | None:
        """Return what became of the image ``key``; None while nothing has."""
        for name in (key + RESULT, key + FAILURE):
            found = self._read(name)
            if found and found.key == key:
                return found
        return None

    def forget_failure(self, key: str) -> None:
        """Take back that the image ``key`` failed: it is tried again."""
        self._output.delete(key + FAILURE)

    def forget_failures(self, keys: Sequence[str]) -> None:
        """Take back that images failed, `MOST_DELETED` of them at most."""
        self._output.delete_all([key + FAILURE for key in keys])

    def mark_begun(self, key: str) -> None:
        """Note that a worker has begun with the image ``key``; the note expires after a day."""
        self._output.put(_begun(key), b"", "text/plain", {})

    def begun(self, key: str) -> bool:
        """Return whether any worker has begun with the image ``key`` and noted it."""
        return self._output.get(_begun(key)) is not None

    def outcomes(self, batch: str) -> Iterator[str]:
        """Yield the names of the result objects of ``batch``: each a key with `RESULT` or `FAILURE` behind it."""
        for item in self._output.list(f"{batch}/"):
            yield item["Key"]

    def read_outcome(self, name: str) -> Classification | Failure | None:
        """Return what one name of `outcomes` holds; None when it is not a result's name or has gone."""
        return self._read(name)

    def _read(self, name: str) -> Classification | Failure | None:
        if not name.endswith(RESULT):
            return None
        found = self._output.get(name)
        if found is None or found.body is None:
            return None
        text = found.body.decode(errors="replace")
        if name.endswith(FAILURE):
            return Failure.of(name.removesuffix(FAILURE), text)
        key = name.removesuffix(RESULT)
        details = json.loads(found.metadata.get("elastiq", "{}"))
        label = text.removeprefix(f"({filename_of(key)}, ").removesuffix(")")
        top5 = tuple(Prediction(*prediction) for prediction in details.get("top5", []))
        return Classification(key, filename_of(key), label, details.get("score", 0.0), top5, details.get("model", ""))

    def _put_text(self, name: str, text: str, details: dict[str, Any], life: Life | None) -> None:
        metadata = {"elastiq": json.dumps(details)} if details else {}
        metadata |= {"life": _written(life)} if life else {}
        self._output.put(name, text.encode(), "text/plain; charset=utf-8", metadata)


def _written(life: Life | None) -> str:
    """Return a life as metadata has it, short: there is little room."""
    if life is None:
        return ""
    times = [None if at is None else round(at, 3) for at in (life.stored_at, *(getattr(life, n) for n in LIFE_TIMES))]
    return json.dumps([life.worker, life.task, life.receives, *times], separators=(",", ":"))


def _read_life(text: str) -> Life | None:
    """Return what `_written` wrote; None of anything else."""
    try:
        worker, task, receives, stored_at, *times = json.loads(text)
        return Life(str(worker), str(task), int(receives), float(stored_at), *map(_moment, times))
    except (TypeError, ValueError):
        return None


def _moment(value: object) -> float | None:
    return None if value is None else float(str(value))


def _begun(key: str) -> str:
    """Return the name of the note that an image was begun with; of one length, as keys may be as long as S3 takes."""
    return f"{TASK_RESULTS}begun-{hashlib.sha256(key.encode()).hexdigest()}"


def _check(key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError as err:
        raise InvalidKey(f"an image's key must be Unicode text, not {key!r}") from err
    if not 0 < size <= MAX_KEY_BYTES:
        raise InvalidKey(f"an image's key must have 1 to {MAX_KEY_BYTES} bytes, not {size}")
    if (key + RESULT).endswith(FAILURE):
        raise InvalidKey(f"an image's key must not end in {FAILURE.removesuffix(RESULT)!r}: {key!r}")
    for reserved in RESERVED:
        if key.startswith(reserved):
            raise InvalidKey(f"an image's key must not begin with {reserved!r}: {key!r}")
