"""One JSON object of the autoscaler's, kept in the output bucket beside the lease, for the next autoscaler."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from botocore.exceptions import ClientError

from app import aws
from app.errors import ElastiqError
from app.process.objects import parse
from app.settings import Settings

log = structlog.get_logger(__name__)

# After a failure it is tried again so many seconds later.
AGAIN_S = 60.0
# A time so far ahead of one's own clock is another clock's fault.
AHEAD = timedelta(minutes=5)


class Record:
    """Reads and writes it; one autoscaler writes at a time, the leader.

    Args:
        settings: the output bucket.
        key: the object's.
    """

    def __init__(self, settings: Settings, key: str) -> None:
        # An answer that comes later than this is of no use.
        self._s3 = aws.client("s3", settings.aws, read_timeout_s=3, attempts=1)
        self._bucket, self._key = settings.buckets.output, key

    def read(self) -> dict[str, Any]:
        """Return what was written; nothing where there is none, or something else, which is written anew.

        Raises:
            ConfigurationError, TransientError: the bucket does not answer.
        """
        with aws.translated(f"reading {self._key!r} in bucket {self._bucket!r}"):
            try:
                return parse(self._s3.get_object(Bucket=self._bucket, Key=self._key)["Body"].read())
            except ClientError as err:
                if aws.error_code(err) not in aws.NO_KEY:
                    raise
                return {}
            except ValueError:
                return {}

    def write(self, content: dict[str, Any]) -> None:
        """Write it.

        Raises:
            ConfigurationError, TransientError: the bucket does not answer.
        """
        body = json.dumps(content).encode()
        with aws.translated(f"writing {self._key!r} in bucket {self._bucket!r}"):
            self._s3.put_object(Bucket=self._bucket, Key=self._key, Body=body, ContentType="application/json")


class Keeper:
    """Writes a record when there is news; what fails is logged, and tried again after a minute.

    Args:
        record: which.
        failed: the log's event when it could not be written.
        clock: monotonic seconds, for those who give no time.
        every_s: seconds from one write to the next at least.
        kept: the news that need not be written.
    """

    def __init__(
        self,
        record: Record,
        failed: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        every_s: float = 0.0,
        kept: object = None,
    ) -> None:
        self._record, self._failed, self._clock, self._every_s = record, failed, clock, every_s
        self._kept = kept
        self._next_s = -math.inf

    def due(self, news: object, at_s: float) -> bool:
        """Return whether `keep` would write."""
        return news != self._kept and at_s >= self._next_s

    def keep(self, content: dict[str, Any], news: object, at_s: float | None = None) -> None:
        """Write ``content``, unless the last that was written had the same ``news``; ``at_s``: the time in seconds."""
        at_s = self._clock() if at_s is None else at_s
        if not self.due(news, at_s):
            return
        try:
            self._record.write(content)
        except ElastiqError as err:
            self._next_s = at_s + AGAIN_S
            log.warning(self._failed, reason=str(err))
        else:
            self._kept, self._next_s = news, at_s + self._every_s


def number(value: object) -> float | None:
    """Return a number that was read, if it is one, finite and not below 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
