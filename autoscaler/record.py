"""One JSON object of the autoscaler's, kept in the output bucket beside the lease, for the next autoscaler."""

from __future__ import annotations

import json
import math
from typing import Any

from botocore.exceptions import ClientError

from app import aws
from app.process.objects import parse
from app.settings import Settings


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


def number(value: object) -> float | None:
    """Return a number that was read, if it is one, finite and not below 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
