"""Celery's result backend on the output bucket: one small JSON object per task, for whoever calls ``.get()``.

Batches do not need it: their tasks are sent with ``ignore_result`` and their results are read by key.
"""

from __future__ import annotations

from typing import Any

from celery.backends.base import KeyValueStoreBackend

from app.aws.bucket import Bucket
from app.settings import AwsSettings
from app.storage import TASK_RESULTS


class OutputBucketBackend(KeyValueStoreBackend):
    """Results under ``_celery/`` in the output bucket; the bucket's lifecycle rule expires them."""

    supports_native_join = False
    implements_incr = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        where = self.app.conf.result_backend_transport_options
        self._bucket = Bucket(AwsSettings(where["region"], where["endpoint_url"]), where["bucket"])

    def get(self, key: str | bytes) -> bytes | None:
        """Return what is stored under ``key``; None while nothing is."""
        found = self._bucket.get(_name(key))
        return None if found is None else found.body

    def set(self, key: str | bytes, value: str | bytes) -> None:
        """Store ``value`` under ``key``."""
        body = value.encode() if isinstance(value, str) else value
        self._bucket.put(_name(key), body, "application/json")

    def delete(self, key: str | bytes) -> None:
        """Forget ``key``."""
        self._bucket.delete(_name(key))


def _name(key: str | bytes) -> str:
    return TASK_RESULTS + (key.decode() if isinstance(key, bytes) else key)
