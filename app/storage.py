"""The two buckets: images in, results out. What is in them is the only truth about a batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from app import aws
from app.domain import Classification, Failure, Prediction, filename_of
from app.errors import ImageNotFound, PermanentError
from app.settings import Settings

RESULT, FAILURE = ".txt", ".error.txt"
# S3 takes 2 KB of user metadata in all; the rest is for the header's own name.
_METADATA_BYTES = 1900


class ImageExists(PermanentError):
    """The input bucket already has another object of this key."""


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
        self._s3 = aws.client("s3", settings, connections=connections)
        self._input, self._output = settings.input_bucket, settings.output_bucket

    def put_image(self, key: str, body: bytes | BinaryIO, content_type: str, *, replace: bool = False) -> None:
        """Store one image.

        Raises:
            ImageExists: there is one of this key, and ``replace`` is false.
        """
        condition = {} if replace else {"IfNoneMatch": "*"}
        with aws.translated(f"storing {key!r} in bucket {self._input!r}"):
            try:
                self._s3.put_object(Bucket=self._input, Key=key, Body=body, ContentType=content_type, **condition)
            except ClientError as err:
                if aws.error_code(err) == "PreconditionFailed":
                    raise ImageExists(f"there is an image {key!r} already") from err
                raise

    def get_image(self, key: str) -> bytes:
        """Return one image's bytes.

        Raises:
            ImageNotFound: no such key.
        """
        with aws.translated(f"reading {key!r} from bucket {self._input!r}"):
            try:
                return bytes(self._s3.get_object(Bucket=self._input, Key=key)["Body"].read())
            except ClientError as err:
                if aws.error_code(err) == "NoSuchKey":
                    raise ImageNotFound(f"there is no image {key!r} in bucket {self._input!r}") from err
                raise

    def images(self, batch: str) -> Iterator[StoredImage]:
        """Yield the images of ``batch``, by key."""
        for item in self._list(self._input, f"{batch}/"):
            yield StoredImage(item["Key"], item["Size"], item["LastModified"])

    def save(self, outcome: Classification | Failure) -> None:
        """Write ``<key>.txt`` or ``<key>.error.txt``; saving the same outcome twice changes nothing."""
        if isinstance(outcome, Failure):
            self._put_text(outcome.key + FAILURE, outcome.reason, {})
            return
        top5 = [[p.label, round(p.score, 6)] for p in outcome.top5]
        details = {"label": outcome.label, "score": outcome.score, "top5": top5, "model": outcome.model}
        while len(json.dumps(details)) > _METADATA_BYTES and details["top5"]:
            top5.pop()
        self._put_text(outcome.key + RESULT, f"({outcome.filename}, {outcome.label})", details)

    def outcome(self, key: str) -> Classification | Failure | None:
        """Return what became of the image ``key``; None while nothing has."""
        return self._read(key + RESULT) or self._read(key + FAILURE)

    def outcomes(self, batch: str) -> Iterator[str]:
        """Yield the names of the result objects of ``batch``: each a key with `RESULT` or `FAILURE` behind it."""
        for item in self._list(self._output, f"{batch}/"):
            yield item["Key"]

    def read_outcome(self, name: str) -> Classification | Failure | None:
        """Return what one name of `outcomes` holds; None when it is not a result's name or has gone."""
        return self._read(name)

    def _read(self, name: str) -> Classification | Failure | None:
        with aws.translated(f"reading {name!r} from bucket {self._output!r}"):
            try:
                answer = self._s3.get_object(Bucket=self._output, Key=name)
                text = answer["Body"].read().decode()
            except ClientError as err:
                if aws.error_code(err) == "NoSuchKey":
                    return None
                raise
        if name.endswith(FAILURE):
            return Failure.of(name.removesuffix(FAILURE), text)
        key = name.removesuffix(RESULT)
        details = json.loads(answer["Metadata"].get("elastiq", "{}"))
        label = details.get("label", text[len(filename_of(key)) + 3 : -1])
        top5 = tuple(Prediction(label, score) for label, score in details.get("top5", []))
        return Classification(key, filename_of(key), label, details.get("score", 0.0), top5, details.get("model", ""))

    def _put_text(self, name: str, text: str, details: dict[str, Any]) -> None:
        metadata = {"elastiq": json.dumps(details)} if details else {}
        with aws.translated(f"storing {name!r} in bucket {self._output!r}"):
            self._s3.put_object(
                Bucket=self._output, Key=name, Body=text.encode(), ContentType="text/plain; charset=utf-8", Metadata=metadata
            )

    def _list(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        with aws.translated(f"listing bucket {bucket!r}"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                yield from page.get("Contents", [])


