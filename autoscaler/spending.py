"""What the day's fleet has cost, kept in the output bucket beside the lease, where the next autoscaler goes on from it.

Whatever fails is logged; then the next autoscaler counts from what it sees.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import structlog
from botocore.exceptions import ClientError

from app import aws
from app.errors import ElastiqError
from app.process.objects import parse
from app.settings import Settings
from autoscaler.memory.spent import Spent

log = structlog.get_logger(__name__)

KEY = "_autoscaler/spent"
EVERY = timedelta(seconds=60)
# A time so far ahead of one's own clock is another clock's fault.
AHEAD = timedelta(minutes=5)


class Spending:
    """Reads what is spent, and writes it once a minute where there is a budget.

    Args:
        settings: the output bucket, and the budget.
    """

    def __init__(self, settings: Settings) -> None:
        # An answer that comes later than this is of no use.
        self._s3 = aws.client("s3", settings.aws, read_timeout_s=3, attempts=1)
        self._bucket, self._budget_h = settings.buckets.output, settings.autoscaler.daily_budget_h
        self._tried_at = datetime.min.replace(tzinfo=UTC)

    def begin(self, now: datetime) -> Spent:
        """Return what was kept, or nothing spent up to now."""
        try:
            return (self._budget_h and _spent(self._read(), now)) or Spent(now)
        except ElastiqError as err:
            log.warning("spending_unknown", reason=str(err))
            return Spent(now)

    def note(self, spent: Spent) -> None:
        """Keep what is spent; one autoscaler does so at a time, the leader."""
        if not self._budget_h or spent.until - self._tried_at < EVERY:
            return
        self._tried_at = spent.until
        body = json.dumps({"until": spent.until.timestamp(), "hours": round(spent.hours, 5)}).encode()
        try:
            with aws.translated(f"writing {KEY!r} in bucket {self._bucket!r}"):
                self._s3.put_object(Bucket=self._bucket, Key=KEY, Body=body, ContentType="application/json")
        except ElastiqError as err:
            log.warning("spending_not_kept", reason=str(err))

    def _read(self) -> object:
        with aws.translated(f"reading {KEY!r} in bucket {self._bucket!r}"):
            try:
                return parse(self._s3.get_object(Bucket=self._bucket, Key=KEY)["Body"].read())
            except ClientError as err:
                if aws.error_code(err) not in aws.NO_KEY:
                    raise
                return None
            except ValueError:  # whatever it is, it is written anew
                return None


def _spent(found: object, now: datetime) -> Spent | None:
    """Return what was written, if it is that and not of the future."""
    if not isinstance(found, dict):
        return None
    until, hours = _number(found.get("until")), _number(found.get("hours"))
    if until is None or hours is None or until > (now + AHEAD).timestamp():
        return None
    return Spent(datetime.fromtimestamp(until, UTC), hours)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
