"""What `elastiq status` tells: whether the buckets answer, and what waits in the queues. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from botocore.exceptions import ClientError

from app import aws
from app.aws.depth import QueueReader
from app.aws.queues import dead_letter_queue
from app.errors import ConfigurationError, ElastiqError
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked at, what it said, and whether that is well."""

    what: str
    said: str
    well: bool


def look(settings: Settings) -> list[Finding]:
    """Look at everything that Elastiq needs in the account; what fails is a finding, not an error."""
    return [
        _finding("input bucket", settings.buckets.input, partial(_bucket, settings, settings.buckets.input)),
        _finding("output bucket", settings.buckets.output, partial(_bucket, settings, settings.buckets.output)),
        _finding("task queue", settings.queue.name, partial(_queue, settings)),
        _finding("dead letters", dead_letter_queue(settings.queue.name), partial(_dead_letters, settings)),
    ]


def _finding(what: str, name: str, ask: Callable[[], tuple[str, bool]]) -> Finding:
    try:
        said, well = ask()
    except ElastiqError as err:
        said, well = str(err), False
    return Finding(f"{what} {name}", said, well)


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


def _queue(settings: Settings) -> tuple[str, bool]:
    now = QueueReader(settings).depth()
    return f"{now.visible} visible, {now.in_flight} in flight, {now.delayed} delayed", True


def _dead_letters(settings: Settings) -> tuple[str, bool]:
    dead = QueueReader(settings, dead_letters=True).depth().total
    return str(dead), dead == 0
