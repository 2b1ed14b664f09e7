"""What `elastiq status` tells: whether the buckets answer, and what waits in the queues. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from app import aws
from app.aws.depth import QueueReader
from app.aws.queues import dead_letter_queue
from app.brakes import KEY, Brake
from app.errors import ConfigurationError, ElastiqError
from app.fields import LATEST
from app.process.objects import parse
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, what it said, and whether that is well."""

    what: str
    said: str
    well: bool

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def look(settings: Settings) -> list[Finding]:
    """Look at everything that Elastiq needs in the account; what fails is a finding, not an error."""
    return [
        _finding("input bucket", settings.buckets.input, partial(_bucket, settings, settings.buckets.input)),
        _finding("output bucket", settings.buckets.output, partial(_bucket, settings, settings.buckets.output)),
        _finding("task queue", settings.queue.name, partial(_queue, settings)),
        _finding("dead letters", dead_letter_queue(settings.queue.name), partial(_dead_letters, settings)),
        _finding("autoscaler's launches", "", partial(_brakes, settings)),
    ]


def _finding(what: str, name: str, ask: Callable[[], tuple[str, bool]]) -> Finding:
    try:
        said, well = ask()
    except ElastiqError as err:
        said, well = str(err), False
    return Finding(f"{what} {name}".strip(), said, well)


def _bucket(settings: Settings, name: str) -> tuple[str, bool]:
    s3 = aws.client("s3", settings.aws, read_timeout_s=5, attempts=2)
    with aws.translated(f"asking for bucket {name!r}"):
        try:
            s3.head_bucket(Bucket=name)
        except ClientError as err:
            if aws.error_code(err) == "404":
                raise ConfigurationError(f"bucket {name!r} does not exist; run `elastiq provision`") from err
            raise
    return "reachable", True


def _brakes(settings: Settings) -> tuple[str, bool]:
    """Tell what the autoscaler that leads, or led last, has said of its launches."""
    s3, bucket = aws.client("s3", settings.aws, read_timeout_s=5, attempts=2), settings.buckets.output
    with aws.translated(f"reading {KEY!r} in bucket {bucket!r}"):
        try:
            found = parse(s3.get_object(Bucket=bucket, Key=KEY)["Body"].read())
        except ClientError as err:
            if aws.error_code(err) not in aws.NO_KEY:
                raise
            return "nothing holds them back, or no autoscaler has been there yet", True
        except ValueError:
            found = {}
    hold = [brake for brake in Brake if brake in _listed(found.get("brakes"))]
    told = f"as {found.get('leader')} said at {_time(found.get('at'))}"
    if not hold:
        return f"nothing holds them back, {told}", True
    return f"{' '.join(brake.says for brake in hold)} So {told[3:]}.", not any(brake.stops for brake in hold)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _time(value: object) -> str:
    """Return seconds since 1970 as people write a time."""
    if isinstance(value, int | float) and 0 <= value < LATEST:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC"
    return "a time unknown"


def _queue(settings: Settings) -> tuple[str, bool]:
    now = QueueReader(settings).depth()
    return f"{now.visible} visible, {now.in_flight} in flight, {now.delayed} delayed", True


def _dead_letters(settings: Settings) -> tuple[str, bool]:
    dead = QueueReader(settings, dead_letters=True).depth().total
    return str(dead), dead == 0
