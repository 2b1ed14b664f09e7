"""One autoscaler acts at a time: who holds the lease, an object in the output bucket, written under a condition.

S3 writes an object only if it is still the one that was read (If-Match), so of two who try one wins. The holder renews
it every few seconds, and more rarely while it rests. A standby takes it once it is old by S3's own clock, so no two
hosts' clocks are compared. A holder acts only while its last renewal is younger than that by some seconds, whatever has
kept it.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import structlog
from botocore.exceptions import ClientError

from app import aws
from app.errors import ElastiqError
from app.process.clock import elapsed_s
from app.process.objects import parse
from app.process.steps import repeat
from app.settings import Settings

log = structlog.get_logger(__name__)

KEY = "_autoscaler/leader"
RENEW_S, LOOK_S = 3.0, 2.0
# A standby takes over so long after the last renewal ended; a holder acts for so much less than that after it began.
LEASE_S, MARGIN_S = 10.0, 3.0
# The same while it rests: a renewal costs money, and there is nothing that a standby would have to do at once.
RESTING_RENEW_S, RESTING_LEASE_S = 20.0, 60.0
# S3 tells times in whole seconds.
RESOLUTION_S = 1.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease as it was read.

    Attributes:
        mark: whose it is; empty if it is given up.
        etag: by which it can be written if it is still the same.
        age_s: by S3's clock.
        lasts_s: how long its holder has it, from its last renewal.
    """

    mark: str
    etag: str
    age_s: float
    lasts_s: float

    def free_to(self, mark: str) -> bool:
        """Return whether the autoscaler of that mark may take it."""
        return self.mark in ("", mark) or self.age_s > self.lasts_s + RESOLUTION_S


def read(text: bytes, etag: str, age_s: float) -> Lease:
    """Read a lease; one that is none of ours is nobody's that is known, and is taken over when it is old."""
    try:
        told = parse(text)
        lasts_s = min(RESTING_LEASE_S, max(LEASE_S, float(told.get("lasts_s", LEASE_S))))
        return Lease(str(told["mark"]), etag, age_s, lasts_s)
    except (ValueError, LookupError, TypeError, AttributeError):
        return Lease("unknown", etag, age_s, LEASE_S)


class Leader:
    """Tries to hold the lease, in a thread of its own.

    Args:
        settings: the output bucket.
        name: of this autoscaler, for people.
        clock: seconds that no setting of a clock changes and that go on while the host is suspended.
    """

    def __init__(self, settings: Settings, name: str, clock: Callable[[], float] = elapsed_s) -> None:
        # An answer that comes later than this is of no use.
        self._s3 = aws.client("s3", settings.aws, read_timeout_s=3, attempts=1)
        self._bucket, self._name, self._clock = settings.buckets.output, name, clock
        # By this, and not by its name, it knows what it wrote itself, also where the answer to that was lost.
        self._mark, self._writes, self._etag = uuid.uuid4().hex, 0, ""
        self._renewed_at: float | None = None
        self._led = self._failing = self._rests = False
        self._lasts_s = LEASE_S  # that of the last renewal
        self._stopping, self._woken = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="leader", daemon=True)

    def start(self) -> None:
        """Try once, and go on trying in the background."""
        self.step()
        self._thread.start()

    def stop(self) -> None:
        """Give the lease up, so that a standby need not wait."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(2 * LEASE_S)
        if self.leads():
            self._renewed_at = None
            self._quietly(lambda: self._write({"IfMatch": self._etag}, mark=""))

    def leads(self) -> bool:
        """Return whether this autoscaler may act now."""
        return self._renewed_at is not None and self._clock() - self._renewed_at < self._lasts_s - MARGIN_S

    def rest(self, rests: bool) -> None:
        """Renew more rarely while there is nothing to do; as soon as there is, renew at once and as ever."""
        wakes, self._rests = self._rests and not rests, rests
        if wakes:
            self._woken.set()

    def step(self) -> None:
        """Renew the lease, or take it if it is free; whatever fails is logged, once a series."""
        self._quietly(self._renew if self.leads() else self._try_to_take)
        if self.leads() != self._led:
            self._led = not self._led
            log.info("leading" if self._led else "leadership_lost", name=self._name)

    def _go_on(self) -> None:
        repeat(self.step, self._wait, self._pause_s, name="leader", first_s=self._pause_s())

    def _wait(self, pause_s: float) -> bool:
        self._woken.wait(pause_s)
        self._woken.clear()
        return self._stopping.is_set()

    def _pause_s(self) -> float:
        if not self.leads():
            return LOOK_S
        return RENEW_S if self._lasts_s == LEASE_S else RESTING_RENEW_S

    def _renew(self) -> None:
        if not self._take({"IfMatch": self._etag}):
            self._try_to_take()

    def _try_to_take(self) -> None:
        self._renewed_at = None
        lease = self._read()
        if lease is None:
            self._take({"IfNoneMatch": "*"})
        elif lease.free_to(self._mark):
            self._take({"IfMatch": lease.etag})

    def _take(self, condition: dict[str, str]) -> bool:
        began, lasts_s = self._clock(), RESTING_LEASE_S if self._rests else LEASE_S
        if not self._write(condition, self._mark, lasts_s):
            return False
        self._renewed_at, self._lasts_s = began, lasts_s
        return True

    def _write(self, condition: dict[str, str], mark: str, lasts_s: float = LEASE_S) -> bool:
        """Write the lease, and return whether it was done; it is not if another was faster."""
        self._writes += 1  # no two of them have one ETag
        body = json.dumps({"leader": self._name, "mark": mark, "writes": self._writes, "lasts_s": lasts_s})
        with aws.translated(f"writing {KEY!r} in bucket {self._bucket!r}"):
            try:
                answer = self._s3.put_object(
                    Bucket=self._bucket, Key=KEY, Body=body.encode(), ContentType="application/json", **condition
                )
            except ClientError as err:
                if aws.error_code(err) not in aws.CHANGED:
                    raise
                return False
        self._etag = answer["ETag"]
        return True

    def _read(self) -> Lease | None:
        with aws.translated(f"reading {KEY!r} in bucket {self._bucket!r}"):
            try:
                answer = self._s3.get_object(Bucket=self._bucket, Key=KEY)
                text = answer["Body"].read()
            except ClientError as err:
                if aws.error_code(err) not in aws.NO_KEY:
                    raise
                return None
        modified: datetime = answer["LastModified"]
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return read(text, answer["ETag"], (now - modified).total_seconds())

    def _quietly(self, attempt: Callable[[], object]) -> None:
        try:
            attempt()
            self._failing = False
        except Exception as err:  # whatever it is, the lease runs out by itself, and the next try may do better
            if not self._failing:
                log.warning(
                    "lease_failed",
                    reason=str(err),
                    now="nothing is launched or drained without it",
                    exc_info=not isinstance(err, ElastiqError),
                )
            self._failing = True
