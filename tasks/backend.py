"""Celery's result backend on the output bucket: one small JSON object per task, for whoever calls ``.get()``.

Batches do not need it: their tasks are sent with ``ignore_result`` and their results are read by key.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from celery.backends.base import KeyValueStoreBackend

from app import aws
from app.settings import settings
from app.storage import TASK_RESULTS


class OutputBucketBackend(KeyValueStoreBackend):
    """Results under ``_celery/`` in the output bucket; the bucket's lifecycle rule expires them."""

    supports_native_join = False
    implements_incr = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._bucket = settings().output_bucket
        self._client: aws.Client | None = None

    @property
    def _s3(self) -> aws.Client:
        if self._client is None:
            self._client = aws.client("s3", settings())
        return self._client

    def get(self, key: str | bytes) -> bytes | None:
        """Return what is stored under ``key``; None while nothing is."""
        with aws.translated(f"reading a result from bucket {self._bucket!r}"):
            try:
                return bytes(self._s3.get_object(Bucket=self._bucket, Key=_name(key))["Body"].read())
            except ClientError as err:
                if aws.error_code(err) == "NoSuchKey":
                    return None
                raise

    def set(self, key: str | bytes, value: str | bytes) -> None:
        """Store ``value`` under ``key``."""
        with aws.translated(f"storing a result in bucket {self._bucket!r}"):
            self._s3.put_object(Bucket=self._bucket, Key=_name(key), Body=value, ContentType="application/json")

    def delete(self, key: str | bytes) -> None:
        """Forget ``key``."""
        with aws.translated(f"deleting a result from bucket {self._bucket!r}"):
            self._s3.delete_object(Bucket=self._bucket, Key=_name(key))


def _name(key: str | bytes) -> str:
    return TASK_RESULTS + (key.decode() if isinstance(key, bytes) else key)
