"""Celery's result backend on the output bucket: one small JSON object per task, for whoever calls ``.get()``.

Batches do not need it: their tasks are sent with ``ignore_result`` and their results are read by key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from celery.backends.base import KeyValueStoreBackend
from celery.exceptions import TimeoutError
from celery.states import READY_STATES

from app.aws.bucket import Bucket
from app.settings import AwsSettings
from app.storage import TASK_RESULTS

# Before a result is looked for the second time: no image is done sooner. Later pauses are half of the time that has
# passed, so that nobody waits half as long again as it took, and a long task costs few calls.
FIRST_PAUSE_S = 0.03


class OutputBucketBackend(KeyValueStoreBackend):
    """Results under ``_celery/`` in the output bucket; the bucket's lifecycle rule expires them."""

    supports_native_join = False
    implements_incr = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        where = self.app.conf.result_backend_transport_options
        self._bucket = Bucket(AwsSettings(where["region"], where["endpoint_url"]), where["bucket"])

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,
        on_interval: Callable[[], object] | None = None,
    ) -> dict[str, Any]:
        """Return what is stored of a task once it has ended; Celery's own looks at ``interval`` from the beginning.

        Args:
            task_id: the task's.
            timeout: seconds to wait at most.
            interval: seconds between two looks at most.
            no_ack: of no meaning here.
            on_interval: called after each look in vain.

        Raises:
            celery.exceptions.TimeoutError: it has not ended in time.
        """
        self._ensure_not_eager()
        deadline = None if timeout is None else time.monotonic() + timeout
        for pause_s in pauses(interval):
            meta: dict[str, Any] = self.get_task_meta(task_id)
            if meta["status"] in READY_STATES:
                return meta
            if on_interval:
                on_interval()
            left_s = pause_s if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(pause_s, left_s))
        raise TimeoutError("The operation timed out.")

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


def pauses(longest_s: float) -> Iterator[float]:
    """Yield the seconds between one look and the next, without end; none is above ``longest_s``."""
    passed_s = 0.0
    while True:
        pause_s = min(longest_s, passed_s / 2 or FIRST_PAUSE_S)
        yield pause_s
        passed_s += pause_s


def _name(key: str | bytes) -> str:
    return TASK_RESULTS + (key.decode() if isinstance(key, bytes) else key)
