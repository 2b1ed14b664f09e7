"""The results of a batch with a source: files of JSON lines in the output bucket; of them, one is held at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from app.aws.bucket import Bucket
from app.domain import Classification, Failure
from app.errors import TransientError
from app.settings import Settings
from app.sources.source import name_in
from app.storage import BATCHES, RESULT, Storage
from web.batches.batch import Image

# Results in one file of them. Each is a call to read, and all are read in a step, which must end long before its lease.
PART = 2_000
READING_THREADS = 16


class Results:
    """Results by batch. Safe to share between threads.

    Every method raises `ConfigurationError` or `TransientError`.

    Args:
        settings: the output bucket.
    """

    def __init__(self, settings: Settings) -> None:
        self._bucket, self._storage = Bucket(settings.aws, settings.buckets.output), Storage(settings)
        self._pool = ThreadPoolExecutor(READING_THREADS, "collect")

    def outcomes(self, id: str, after: str, count: int) -> tuple[list[Image], str]:
        """Return the first ``count`` images behind the name ``after`` that have an outcome, by key.

        Returns:
            The images, and the name behind which others are; empty if there are none.
        """
        listed = (str(item["Key"]) for item in self._bucket.list(f"{id}/", after))
        names = list(islice((name for name in listed if name.endswith(RESULT)), count + 1))
        found = [outcome for outcome in self._pool.map(self._storage.read_outcome, names[:count]) if outcome]
        return [Image(outcome.key, outcome) for outcome in found], names[count - 1] if len(names) > count else ""

    def without_outcome(self, keys: list[str]) -> list[str]:
        """Return those of ``keys`` that have no outcome."""
        return [key for key, known in zip(keys, self._pool.map(self._storage.outcome, keys), strict=True) if not known]

    def write(self, id: str, part: int, after: str) -> tuple[bool, str]:
        """Write one file of the outcomes behind the name ``after``.

        Returns:
            Whether there were any, and the name behind which the next file begins; empty if this is the last.
        """
        images, next_ = self.outcomes(id, after, PART)
        if images:
            lines = "".join(json.dumps(_line(image)) + "\n" for image in images)
            self._bucket.put(_name(id, part), lines.encode(), "application/jsonl")
        return bool(images), next_

    def read(self, id: str, parts: int) -> Iterator[Image]:
        """Yield all images of the first ``parts`` files.

        Raises:
            TransientError: one is not there: the batch is tried again, or was deleted.
        """
        for part in range(parts):
            found = self._bucket.get(_name(id, part))
            if found is None:
                raise TransientError(f"the results of batch {id!r} are being changed; try again")
            for line in (found.body or b"").splitlines():
                yield _image(json.loads(line))


def results_of(batch: str) -> str:
    """Return what the names of the files of a batch's results begin with, in the output bucket."""
    return f"{BATCHES}{batch}/results/"


def why_not_whole(settings: Settings, batch: str) -> str:
    """Return what to tell who asks for all images of a batch whose results are not written yet."""
    where = f"s3://{settings.buckets.output}/{results_of(batch)}"
    return f"the results of a batch with a source are here, and in {where}, once it is complete; follow its progress"


def _name(batch: str, part: int) -> str:
    return f"{results_of(batch)}part-{part:05}.jsonl"


def _line(image: Image) -> dict[str, Any]:
    """Return what a line says of one image; ``key`` is the object's in its source."""
    _, name = name_in(image.key) or ("", image.key)
    told = image.outcome.to_json() if image.outcome else {}
    return {**told, "key": name, "image": image.key, "state": image.state}


def _image(line: dict[str, Any]) -> Image:
    """Return what `_line` told."""
    known = {name: value for name, value in line.items() if name not in ("image", "state")} | {"key": line["image"]}
    outcome = Classification.from_json(known) if line["state"] == "done" else Failure(**known)
    return Image(outcome.key, outcome)
