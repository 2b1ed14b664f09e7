"""All that the doctor looks at, in the order in which one thing needs the other. It changes nothing that lasts."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from importlib import metadata
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError
from packaging.requirements import Requirement

from app import aws
from app.account.doctor.account import Account
from app.account.doctor.findings import Finding, asked, bad, unknown, well
from app.account.doctor.launching import launching
from app.account.doctor.permissions import permissions
from app.aws.address import bulk_queue_url, task_queue_url
from app.aws.errors import DENIED, EXPIRED, NO_TOPIC
from app.aws.named import client_of
from app.settings import QueueSettings, Settings

# AWS refuses what is dated five minutes wrong; S3, a quarter of an hour.
SKEW_S, REFUSED_S = 30.0, 300.0
PACKAGES = ("boto3", "celery", "kombu", "obstore", "openvino")
OLDEST = (3, 11)
_NO_CREDENTIALS = (
    "there are none: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the host a role; "
    "a container on EC2 has its host's only with an HttpPutResponseHopLimit of 2"
)

Extra = Callable[[], Finding]


def look(
    settings: Settings,
    roles: tuple[str, ...],
    extras: tuple[Extra, ...] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Finding]:
    """Yield what is found, as it is found; what fails is a finding, not an error.

    Args:
        settings: what to look for, and where.
        roles: whose permissions to try, of `needs.ROLES`.
        extras: what else to look at, which this package may not know of.
        now: the time, UTC.
    """
    yield versions()
    for extra in extras:
        yield extra()
    yield asked("credentials", partial(_credentials, settings))
    yield asked("clock", partial(_clock, settings, now))
    yield asked("region", partial(_region, settings))
    for name, variable in (
        (settings.buckets.input, "ELASTIQ_INPUT_BUCKET"),
        (settings.buckets.output, "ELASTIQ_OUTPUT_BUCKET"),
    ):
        yield asked(f"bucket {name}", partial(_bucket, settings, name, variable))
    for name in sorted(settings.buckets.sources):
        yield asked(f"bucket {name}", partial(_bucket, settings, name, "ELASTIQ_SOURCE_BUCKETS", made=False))
    yield asked(f"queue {settings.queue.name}", partial(_queue, settings, settings.queue.name, task_queue_url))
    if bulk := settings.queue.bulk:
        yield asked(f"queue {bulk}", partial(_queue, settings, bulk, bulk_queue_url))
    yield asked(f"topic {settings.queue.topic}", partial(_topic, settings))
    if settings.hooks.topic_arn:
        yield asked("completion topic", partial(_completion_topic, settings.hooks.topic_arn, settings))
    yield from permissions(settings, roles)
    if settings.ec2.launch_template:
        yield from launching(settings)


def versions(required: Sequence[str] | None = None) -> Finding:
    """Find what runs here, and what of it is another version than is needed.

    Args:
        required: as pip takes them; what is installed as Elastiq unless given, which hosts on EC2 have not.
    """
    found = {name: version for name in PACKAGES if (version := _version(name))}
    said = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version}" for name, version in found.items())])
    if sys.version_info < OLDEST:
        return bad("versions", f"{said}; Python {OLDEST[0]}.{OLDEST[1]} or later is needed")
    wrong = [f"{need.name}{need.specifier}" for need in _required(required) if not _is_met(need)]
    if wrong:
        return bad("versions", f"{said}; needed are {', '.join(wrong)}: `make install`, or pip install -e .")
    return well("versions", said)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _required(given: Sequence[str] | None) -> list[Requirement]:
    try:
        needs = [Requirement(text) for text in (metadata.requires("elastiq") or () if given is None else given)]
    except metadata.PackageNotFoundError:
        return []
    return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


def _is_met(need: Requirement) -> bool:
    version = _version(need.name)
    return bool(version) and need.specifier.contains(version, prereleases=True)


def _credentials(settings: Settings) -> Finding:
    sts = aws.client("sts", settings.aws, read_timeout_s=5, attempts=2)
    with aws.translated("asking AWS who this is"):
        try:
            found = sts.get_caller_identity()
        except NoCredentialsError:
            return bad("credentials", _NO_CREDENTIALS)
        except ResponseParserError:
            return unknown("credentials", "what answers has no STS, as the embedded cloud: nobody asks who this is")
        except ClientError as err:
            if aws.error_code(err) in EXPIRED:
                return bad("credentials", "they have expired: log in anew, or renew AWS_SESSION_TOKEN and its two keys")
            raise
    return well("credentials", f"{found['Arn']} in account {found['Account']}")


def _clock(settings: Settings, now: Callable[[], datetime]) -> Finding:
    """Compare this host's clock with the date of an answer, which a refusal has too."""
    dates: list[tuple[str, datetime]] = []

    def note(http_response: Any, **_: object) -> None:
        dates.append((str(http_response.headers.get("date", "")), now()))

    s3 = aws.client("s3", settings.aws, read_timeout_s=5, attempts=1)
    s3.meta.events.register("after-call.s3", note)
    with aws.translated("asking S3 for the time"):
        try:
            s3.head_bucket(Bucket=settings.buckets.output)
        except (ClientError, BotoCoreError):
            if not dates:
                raise
    said, at = dates[-1]
    try:
        ahead_s = (at - parsedate_to_datetime(said)).total_seconds()
    except ValueError:
        return unknown("clock", "S3's answer has no date")
    if abs(ahead_s) <= SKEW_S:
        return well("clock", f"within {SKEW_S:.0f} s of AWS's")
    way = "ahead of" if ahead_s > 0 else "behind"
    consequence = (
        "AWS refuses what is signed with it" if abs(ahead_s) > REFUSED_S else f"at {REFUSED_S:.0f} s AWS refuses"
    )
    return bad("clock", f"{abs(ahead_s):.0f} s {way} AWS's; {consequence}: set it by NTP (`timedatectl set-ntp true`)")


def _region(settings: Settings) -> Finding:
    region = aws.region(settings.aws)
    where = f" at {settings.aws.endpoint_url}" if settings.aws.endpoint_url else ""
    if not settings.aws.region and region == aws.LAST_RESORT:
        return well("region", f"{region}{where}, as nothing names another; AWS_REGION does")
    return well("region", f"{region}{where}")


def _bucket(settings: Settings, name: str, variable: str, *, made: bool = True) -> Finding:
    """Look for a bucket, which is one that ``elastiq provision`` would have ``made``, or a user's own."""
    what, ours = f"bucket {name}", aws.region(settings.aws)
    s3 = aws.client("s3", settings.aws, read_timeout_s=5, attempts=2)
    with aws.translated(f"asking for bucket {name!r}"):
        try:
            region = s3.head_bucket(Bucket=name).get("BucketRegion", ours)
        except ClientError as err:
            code = aws.error_code(err)
            if code == "404":
                make = "run `elastiq provision`" if made else "make it"
                return bad(what, f"it does not exist: {make}, or set {variable} to one that does")
            if code == "403":
                return bad(what, f"AWS refuses it: allow s3:ListBucket, or set {variable} if it is another account's")
            raise
    if region != ours:
        return bad(what, f"it is in {region}, not in {ours}: set AWS_REGION={region}, or {variable} to another")
    return well(what, f"there, in {region}")


def _queue(settings: Settings, name: str, address: Callable[[aws.Client, QueueSettings], str]) -> Finding:
    what = f"queue {name}"
    sqs = aws.client("sqs", settings.aws, read_timeout_s=5, attempts=2)
    with aws.translated("asking for the task queue"):
        try:
            url = address(sqs, settings.queue)
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]).get("Attributes", {})
        except ClientError as err:
            if aws.error_code(err) in aws.NO_QUEUE:
                return bad(
                    what, "it does not exist: run `elastiq provision`, or set ELASTIQ_QUEUE or ELASTIQ_QUEUE_URL"
                )
            if aws.error_code(err) in DENIED and settings.queue.url:
                return unknown(what, "these credentials may not look at it; a worker's need not")
            raise
        dead = json.loads(found.get("RedrivePolicy", "{}")).get("deadLetterTargetArn", "")
        if not dead:
            return bad(
                what, "it has no dead-letter queue, so a broken message comes back for ever: run `elastiq provision`"
            )
    return well(what, f"there; dead letters go to {dead.rpartition(':')[2]}")


def _topic(settings: Settings) -> Finding:
    what, account = f"topic {settings.queue.topic}", Account(settings)
    with aws.translated("asking for the events topic"):
        try:
            arn = account.topic
            account.client("sns").get_topic_attributes(TopicArn=arn)
        except ClientError as err:
            code = aws.error_code(err)
            if code in aws.NO_QUEUE:
                return unknown(what, "it is in the queue's account, and the queue is not there")
            if code in NO_TOPIC:
                return bad(what, "it does not exist: run `elastiq provision`, or set ELASTIQ_TOPIC_ARN")
            if code in DENIED and settings.queue.topic_arn:
                return unknown(what, "these credentials may not look at it, and need not")
            raise
    return well(what, "there")


def _completion_topic(arn: str, settings: Settings) -> Finding:
    what = "completion topic"
    with aws.translated("asking for the completion topic"):
        try:
            client_of(arn, settings.aws, read_timeout_s=5, attempts=2).get_topic_attributes(TopicArn=arn)
        except ClientError as err:
            code = aws.error_code(err)
            if code in NO_TOPIC:
                return bad(what, f"{arn} does not exist: set ELASTIQ_COMPLETION_TOPIC_ARN to one that does")
            if code in DENIED:
                return unknown(what, "these credentials may not look at it, and need not")
            raise
    return well(what, f"{arn} is there")
