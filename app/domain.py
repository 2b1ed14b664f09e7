"""The vocabulary as frozen values: what the tiers say to each other. Pure: no clock, no network."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = (
    "(?!0000)(?:[0-9]{4}(?:(?:0[13578]|1[02])(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)(?:0[1-9]|[12][0-9]|30)"
    f"|02(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}0229)"
)
# Its time is one that there is: whoever reads it need not ask.
BATCH_ID = re.compile(f"{_DAY}T(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9][0-9]{{3}}Z-[0-9a-f]{{8}}")
# The autoscaler tags an instance with this, and its worker, which sees the tag, leaves.
DRAIN_TAG = "elastiq-drain"
# An instance of the fleet of this tag's value.
FLEET_TAG = "elastiq-fleet"
# By this command of remote control the autoscaler has an idle worker stay.
STAY_COMMAND = "elastiq_stay"
# By this one workers are told whether to drop the messages of a batch.
DROP_COMMAND = "elastiq_drop"
# Where a batch keeps what became of files that it did not take; no image's path begins like this.
REJECTED = re.compile(r"rejected/[0-9a-f]{12}/")


# In a batch whose images nobody uploads, their keys begin like this behind the batch's id.
SOURCED = "_source/"


def new_batch_id(now: datetime, entropy: bytes) -> str:
    """Return a batch id that sorts by time: ``20261124T101530123Z-9f2c01ab``.

    Args:
        now: the time of the upload, timezone-aware.
        entropy: at least four random bytes, so that two uploads of one millisecond differ.
    """
    now = now.astimezone(UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{entropy[:4].hex()}"


def filename_of(key: str) -> str:
    """Return the last part of an image's key."""
    return key.rsplit("/", 1)[-1]


def batch_of(key: str) -> str:
    """Return the id of an image's batch; of a key that a program chose itself, what is before its first slash."""
    return key.partition("/")[0]


def path_of(key: str) -> str:
    """Return an image's path in its batch: the folders that it was uploaded with, and its name."""
    path = key.partition("/")[2] or key
    rejected = REJECTED.match(path)
    return path[rejected.end() :] if rejected else path.removeprefix(SOURCED)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One label and how sure the model is of it, ``0 <= score <= 1``."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """What the model sees in one image; ``top5`` is best first and begins with ``label``."""

    key: str
    filename: str
    label: str
    score: float
    top5: tuple[Prediction, ...]
    model: str

    @classmethod
    def of(cls, key: str, top5: list[Prediction], model: str) -> Classification:
        """Name the best of ``top5`` as the answer for the image ``key``."""
        return cls(key, filename_of(key), top5[0].label, top5[0].score, tuple(top5), model)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the task returns and the API answers with."""
        top5 = [{"label": prediction.label, "score": prediction.score} for prediction in self.top5]
        # Not by `asdict`, which takes ten times as long: a worker does this for each image, more than once.
        return {
            "key": self.key,
            "filename": self.filename,
            "label": self.label,
            "score": self.score,
            "top5": top5,
            "model": self.model,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Classification:
        """Read what `to_json` wrote."""
        return cls(**{**data, "top5": tuple(Prediction(**prediction) for prediction in data["top5"])})


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that was given up, and why, in words for its owner; a dead letter that is sent back is tried again."""

    key: str
    filename: str
    reason: str

    @classmethod
    def of(cls, key: str, reason: str) -> Failure:
        """Give up on the image ``key``."""
        return cls(key, filename_of(key), reason)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Life:
    """When a worker did what with an image, in seconds since 1970; by its own clock, but for `queued_at`, by SQS's.

    Attributes:
        worker: the instance that did it.
        task: the task's name.
        receives: which receive of its message it was; 1 unless something failed before.
        queued_at: when its message was sent, or was due if it was put off; None where the queue does not say.
        received_at: when the worker received it; None where the worker cannot say.
        fetched_at: when its bytes were there.
        decoded_at: when its pixels were.
        run_at: when the model had run on them.
        stored_at: when its outcome was in the output bucket.
    """

    worker: str
    task: str
    receives: int
    stored_at: float
    queued_at: float | None = None
    received_at: float | None = None
    fetched_at: float | None = None
    decoded_at: float | None = None
    run_at: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the form in which workers announce it."""
        # As a classification, and for its reason, not by `asdict`.
        return {
            "worker": self.worker,
            "task": self.task,
            "receives": self.receives,
            "stored_at": self.stored_at,
            "queued_at": self.queued_at,
            "received_at": self.received_at,
            "fetched_at": self.fetched_at,
            "decoded_at": self.decoded_at,
            "run_at": self.run_at,
        }


# The times in a life that may be unknown, in order.
LIFE_TIMES = ("queued_at", "received_at", "fetched_at", "decoded_at", "run_at")


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """SQS's own three counts, approximate by their nature."""

    visible: int
    in_flight: int
    delayed: int = 0

    @property
    def total(self) -> int:
        """Return the number of images that have not finished."""
        return self.visible + self.in_flight + self.delayed

    def __add__(self, other: QueueDepth) -> QueueDepth:
        """Return the depth of two queues together."""
        return QueueDepth(self.visible + other.visible, self.in_flight + other.in_flight, self.delayed + other.delayed)


@dataclass(frozen=True, slots=True)
class CallCounts:
    """Calls that AWS bills, by their names in app/prices.json."""

    s3_put: int = 0
    s3_get: int = 0
    sqs_call: int = 0
    sns_publish: int = 0


@dataclass(frozen=True, slots=True)
class BatchCost:
    """What a batch has cost so far, in dollars, and how many of its images were done."""

    id: str
    usd: float
    images: int


@dataclass(frozen=True, slots=True)
class FleetCost:
    """What the fleet costs, in dollars, as the autoscaler has it.

    Attributes:
        hour_usd: an hour at the rate of now.
        day_usd: of this day, UTC.
        total_usd: since the autoscaler's start.
        priced_as: what an instance is taken for, in words.
        calls: what the autoscaler itself has called.
        each: of each instance that is billed, since its launch.
        batches: of those batches whose costs have changed of late.
    """

    hour_usd: float
    day_usd: float
    total_usd: float
    priced_as: str
    calls: CallCounts = CallCounts()
    each: tuple[tuple[str, float], ...] = ()
    batches: tuple[BatchCost, ...] = ()


class InstanceState(StrEnum):
    """An instance's life, in order."""

    PENDING = "pending"
    RUNNING = "running"
    DRAINING = "draining"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class Instance:
    """One host of the app tier.

    Attributes:
        id: its name.
        state: where in its life it is.
        launched_at: when it was launched, UTC.
        heard_at: when its worker was heard last, UTC; None before it is ready.
        outdated: whether what it runs is older than what is launched now.
        type: EC2's name of its type; empty where it is none of EC2's.
        spot: whether it is a spot instance.
    """

    id: str
    state: InstanceState
    launched_at: datetime
    heard_at: datetime | None = None
    outdated: bool = False
    type: str = ""
    spot: bool = False
