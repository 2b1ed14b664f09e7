"""The two buckets: images in, results out. What is in them is the only truth about a batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from botocore.exceptions import ClientError
from botocore.handlers import add_expect_header

from app import aws
from app.domain import Classification, Failure, Prediction, filename_of
from app.errors import ImageExists, ImageNotFound, InvalidImage, InvalidKey
from app.settings import Settings

RESULT, FAILURE = ".txt", ".error.txt"
# Where Celery keeps what ``.get()`` returns, in the output bucket; it expires after a day.
TASK_RESULTS = "_celery/"
# S3 takes keys of 1024 bytes, and an outcome's name is longer than its image's.
MAX_KEY_BYTES = 1024 - len(FAILURE)
# S3 takes 2 KB of user metadata in all; the rest is for the header's own name.
_METADATA_BYTES = 1900
# The number alone, where the key has a character that the answer's XML cannot bear.
_NO_KEY = {"NoSuchKey", "404"}


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
        # Before it sends a file, boto3 would ask whether it may, and wait up to a second where nobody answers that.
        self._s3.meta.events.unregister("before-call.s3", add_expect_header)
        self._input, self._output = settings.input_bucket, settings.output_bucket
        self._max_file_bytes = settings.max_file_bytes

    def put_image(self, key: str, body: bytes | BinaryIO, content_type: str, *, replace: bool = False) -> bool:
        """Store one image; storing the same bytes twice changes nothing.

        Returns:
            Whether it was stored; false when it was there already.

        Raises:
            ImageExists: there is another one of this key, and ``replace`` is false.
            InvalidKey: no image can have this key.
        """
        _check(key)
        condition = {} if replace else {"IfNoneMatch": "*"}
        with aws.translated(f"storing {key!r} in bucket {self._input!r}"):
            try:
                self._s3.put_object(Bucket=self._input, Key=key, Body=body, ContentType=content_type, **condition)
            except ClientError as err:
                if aws.error_code(err) != "PreconditionFailed":
                    raise
                # boto3 sends a call again whose answer was lost; then what is there is this very image.
                if self._digest(key) != _md5(body):
                    raise ImageExists(f"there is another image {key!r} already") from err
                return False
        return True

    def get_image(self, key: str) -> bytes:
        """Return one image's bytes.

        Raises:
            ImageNotFound: no such key.
            InvalidImage: it is larger than ``ELASTIQ_MAX_FILE_BYTES``; it is not read.
            InvalidKey: no image can have this key.
        """
        _check(key)
        with aws.translated(f"reading {key!r} from bucket {self._input!r}"):
            try:
                answer = self._s3.get_object(Bucket=self._input, Key=key)
                with answer["Body"] as body:
                    if answer["ContentLength"] > self._max_file_bytes:
                        raise InvalidImage(f"the file has more than {self._max_file_bytes:,} bytes")
                    return bytes(body.read())
            except ClientError as err:
                if aws.error_code(err) in _NO_KEY:
                    raise ImageNotFound(f"there is no image {key!r} in bucket {self._input!r}") from err
                raise

    def images(self, batch: str) -> Iterator[StoredImage]:
        """Yield the images of ``batch``, by key."""
        for item in self._list(self._input, f"{batch}/"):
            yield StoredImage(item["Key"], item["Size"], item["LastModified"])

    def save(self, outcome: Classification | Failure) -> None:
        """Write ``<key>.txt`` or ``<key>.error.txt``; saving the same outcome twice changes nothing.

        The text has the label; the rest is metadata, where labels so long that S3 has no room for them cost
        the last of the top five.
        """
        if isinstance(outcome, Failure):
            self._put_text(outcome.key + FAILURE, outcome.reason, {})
            return
        top5 = [[p.label, p.score] for p in outcome.top5]
        details = {"score": outcome.score, "top5": top5, "model": outcome.model}
        while len(json.dumps(details)) > _METADATA_BYTES and top5:
            top5.pop()
        self._put_text(outcome.key + RESULT, f"({outcome.filename}, {outcome.label})", details)

    def outcome(self, key: str) -> Classification | Failure | None:
        """Return what became of the image ``key``; None while nothing has."""
        for name in (key + RESULT, key + FAILURE):
            found = self._read(name)
            if found and found.key == key:
                return found
        return None

    def forget_failure(self, key: str) -> None:
        """Take back that the image ``key`` failed: it is tried again."""
        with aws.translated(f"deleting {key + FAILURE!r} from bucket {self._output!r}"):
            self._s3.delete_object(Bucket=self._output, Key=key + FAILURE)

    def outcomes(self, batch: str) -> Iterator[str]:
        """Yield the names of the result objects of ``batch``: each a key with `RESULT` or `FAILURE` behind it."""
        for item in self._list(self._output, f"{batch}/"):
            yield item["Key"]

    def read_outcome(self, name: str) -> Classification | Failure | None:
        """Return what one name of `outcomes` holds; None when it is not a result's name or has gone."""
        return self._read(name)

    def _read(self, name: str) -> Classification | Failure | None:
        if not name.endswith(RESULT):
            return None
        with aws.translated(f"reading {name!r} from bucket {self._output!r}"):
            try:
                answer = self._s3.get_object(Bucket=self._output, Key=name)
                text = answer["Body"].read().decode(errors="replace")
            except ClientError as err:
                if aws.error_code(err) in _NO_KEY:
                    return None
                raise
        if name.endswith(FAILURE):
            return Failure.of(name.removesuffix(FAILURE), text)
        key = name.removesuffix(RESULT)
        details = json.loads(answer["Metadata"].get("elastiq", "{}"))
        label = text.removeprefix(f"({filename_of(key)}, ").removesuffix(")")
        top5 = tuple(Prediction(*prediction) for prediction in details.get("top5", []))
        return Classification(key, filename_of(key), label, details.get("score", 0.0), top5, details.get("model", ""))

    def _digest(self, key: str) -> str:
        etag = str(self._s3.head_object(Bucket=self._input, Key=key)["ETag"])
        return etag.strip('"')  # S3's own: the MD5 of an object that came in one piece

    def _put_text(self, name: str, text: str, details: dict[str, Any]) -> None:
        metadata = {"elastiq": json.dumps(details)} if details else {}
        with aws.translated(f"storing {name!r} in bucket {self._output!r}"):
            self._s3.put_object(
                Bucket=self._output,
                Key=name,
                Body=text.encode(),
                ContentType="text/plain; charset=utf-8",
                Metadata=metadata,
            )

    def _list(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        with aws.translated(f"listing bucket {bucket!r}"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                yield from page.get("Contents", [])


def _md5(body: bytes | BinaryIO) -> str:
    if not isinstance(body, bytes):
        body.seek(0)
        body = body.read()
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _check(key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError as err:
        raise InvalidKey(f"an image's key must be Unicode text, not {key!r}") from err
    if not 0 < size <= MAX_KEY_BYTES:
        raise InvalidKey(f"an image's key must have 1 to {MAX_KEY_BYTES} bytes, not {size}")
    if (key + RESULT).endswith(FAILURE):
        raise InvalidKey(f"an image's key must not end in {FAILURE.removesuffix(RESULT)!r}: {key!r}")
    if key.startswith(TASK_RESULTS):
        raise InvalidKey(f"an image's key must not begin with {TASK_RESULTS!r}: {key!r}")
