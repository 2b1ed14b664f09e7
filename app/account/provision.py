"""Makes what Elastiq needs in an account: buckets, the task queues, their dead-letter queue, a topic. Idempotent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from app import aws
from app.aws.queues import Call, QueuePlan, arn_of, dead_letter_queue, mend_queue
from app.errors import ConfigurationError
from app.settings import Settings
from app.storage import PROMISES, STAGED, TASK_RESULTS


def _expiry(what: str, prefix: str, days: int) -> dict[str, Any]:
    return {"ID": f"elastiq-{what}", "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": days}}


# What of ours is in a bucket for so many days alone.
_IN_INPUT = [_expiry("staged", STAGED, 1)]
_IN_OUTPUT = [_expiry("task-results", TASK_RESULTS, 1), _expiry("promises", PROMISES, 2)]
_CORS, _CORS_S = "elastiq-uploads", 3600
_PRIVATE = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def provision(settings: Settings) -> list[str]:
    """Make what is missing and set right what is there.

    Returns:
        A line for each resource: what it is, its name, and whether it was made or found.

    Raises:
        ConfigurationError: AWS refused, or a bucket's name belongs to another account or region.
    """
    lines = [
        _bucket(settings, "input bucket", settings.buckets.input, "ELASTIQ_INPUT_BUCKET"),
        _bucket(settings, "output bucket", settings.buckets.output, "ELASTIQ_OUTPUT_BUCKET"),
    ]
    _expire(settings, settings.buckets.input, _IN_INPUT)
    _expire(settings, settings.buckets.output, _IN_OUTPUT)
    if settings.web.direct_origins:
        _let_pages_in(settings, settings.buckets.input)
    return lines + _queues(settings)


def _bucket(settings: Settings, what: str, name: str, variable: str) -> str:
    s3 = aws.client("s3", settings.aws)
    with aws.translated(f"making the {what} {name!r}"):
        found = _found(s3, settings, name, variable) or not _make(s3, settings, name, variable)
        # S3 encrypts every object by itself; that nobody makes these public is ours to say, also of a bucket found.
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=_PRIVATE)
    return f"{what} {name}: {'found' if found else 'made'}"


def _found(s3: aws.Client, settings: Settings, name: str, variable: str) -> bool:
    ours = aws.region(settings.aws)
    try:
        region = s3.head_bucket(Bucket=name).get("BucketRegion", ours)
    except ClientError as err:
        if aws.error_code(err) == "404":
            return False
        if aws.error_code(err) == "403":
            raise _not_ours(name, variable) from err
        raise
    if region != ours:
        raise ConfigurationError(
            f"the bucket {name!r} is in {region}, not in {ours}; set AWS_REGION={region}, or {variable} to another name"
        )
    return True


def _make(s3: aws.Client, settings: Settings, name: str, variable: str) -> bool:
    """Make the bucket and return whether that was needed: another `provision` may have been faster."""
    # S3 refuses to be told the one region that it assumes.
    ours = aws.region(settings.aws)
    where = {"CreateBucketConfiguration": {"LocationConstraint": ours}}
    try:
        s3.create_bucket(Bucket=name, **({} if ours == "us-east-1" else where))
    except ClientError as err:
        if aws.error_code(err) == "BucketAlreadyExists":
            raise _not_ours(name, variable) from err
        if aws.error_code(err) != "BucketAlreadyOwnedByYou":
            raise
        return False
    return True


def _not_ours(name: str, variable: str) -> ConfigurationError:
    return ConfigurationError(
        f"the bucket {name!r} is there, and AWS refuses it to these credentials: it may be another account's; "
        f"set {variable} to a name of your own, or check the credentials' policy"
    )


def _expire(settings: Settings, bucket: str, expiries: list[dict[str, Any]]) -> None:
    s3 = aws.client("s3", settings.aws)
    with aws.translated(f"setting the lifecycle of the bucket {bucket!r}"):
        rules = _rules(s3.get_bucket_lifecycle_configuration, bucket, "Rules", none="NoSuchLifecycleConfiguration")
        if not all(expiry in rules for expiry in expiries):
            # The call replaces all rules; those of the bucket's owner must stay.
            ours = {expiry["ID"] for expiry in expiries}
            configuration = {"Rules": [*(rule for rule in rules if rule.get("ID") not in ours), *expiries]}
            s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=configuration)


def _let_pages_in(settings: Settings, bucket: str) -> None:
    """Have browsers let the pages of `ELASTIQ_DIRECT_UPLOADS` send files to the bucket."""
    s3 = aws.client("s3", settings.aws)
    with aws.translated(f"setting the CORS of the bucket {bucket!r}"):
        rules = _rules(s3.get_bucket_cors, bucket, "CORSRules", none="NoSuchCORSConfiguration")
        pages = {
            "ID": _CORS,
            "AllowedOrigins": settings.web.direct_origins,
            "AllowedMethods": ["POST"],
            "ExposeHeaders": ["Retry-After"],
            "MaxAgeSeconds": _CORS_S,  # a browser asks that seldom whether it may
        }
        if pages not in rules:
            # As with the lifecycle.
            configuration = {"CORSRules": [*(rule for rule in rules if rule.get("ID") != _CORS), pages]}
            s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=configuration)


def _rules(ask: Callable[..., Any], bucket: str, field: str, *, none: str) -> list[dict[str, Any]]:
    """Return the rules that a bucket has of one kind; ``none`` is what S3 calls it that there are none."""
    try:
        found: list[dict[str, Any]] = ask(Bucket=bucket)[field]
    except ClientError as err:
        if aws.error_code(err) != none:
            raise
        return []
    return found


def _queues(settings: Settings) -> list[str]:
    sqs = aws.client("sqs", settings.aws)
    if settings.queue.url:
        arn = _arn_of_given(sqs, settings.queue.url)
        lines = [f"task queue {settings.queue.url}: given"]
        if settings.queue.bulk:
            _arn_of_given(sqs, settings.queue.bulk_url, "ELASTIQ_BULK_QUEUE_URL")
            lines.append(f"bulk queue {settings.queue.bulk_url}: given")
        return [*lines, _topic(settings, arn)]
    with aws.translated(f"making the task queue {settings.queue.name!r}"):
        made: dict[str, bool] = {}
        for name in (settings.queue.name, settings.queue.bulk):
            plan = QueuePlan(dead_letters=dead_letter_queue(settings.queue.name))
            # Of the dead-letter queue, which is there the second time, the first answer tells.
            made = mend_queue(_caller(sqs), name, plan, lambda name: _address(sqs, name)) | made
        arn = arn_of(_caller(sqs), sqs.get_queue_url(QueueName=settings.queue.name)["QueueUrl"])
    kinds = {
        dead_letter_queue(settings.queue.name): "dead-letter",
        settings.queue.name: "task",
        settings.queue.bulk: "bulk",
    }
    lines = [f"{kind} queue {name}: {'made' if made[name] else 'found'}" for name, kind in kinds.items()]
    return [*lines, _topic(settings, arn)]


def _caller(sqs: aws.Client) -> Call:
    return lambda action, **parameters: getattr(sqs, action)(**parameters)


def _arn_of_given(sqs: aws.Client, url: str, variable: str = "ELASTIQ_QUEUE_URL") -> str:
    """Return the ARN of the queue at ``url``, which is its owner's to make and to change."""
    with aws.translated(f"asking for the task queue {url}"):
        try:
            return arn_of(_caller(sqs), url)
        except ClientError as err:
            if aws.error_code(err) not in aws.NO_QUEUE:
                raise
            raise ConfigurationError(
                f"there is no queue at {variable}={url}; make it, with a dead-letter queue, "
                "or unset the variable to have it made under ELASTIQ_QUEUE"
            ) from err


def _address(sqs: aws.Client, name: str) -> str | None:
    try:
        return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    except ClientError as err:
        if aws.error_code(err) not in aws.NO_QUEUE:
            raise
        return None


def _topic(settings: Settings, queue_arn: str) -> str:
    """Make the topic for events, in the account of ``queue_arn``, unless it is given."""
    if settings.queue.topic_arn:
        return f"events topic {settings.queue.topic_arn}: given"
    arn = ":".join([*queue_arn.split(":")[:-1], settings.queue.topic]).replace(":sqs:", ":sns:", 1)
    sns = aws.client("sns", settings.aws)
    with aws.translated(f"making the topic {settings.queue.topic!r}"):
        try:
            sns.get_topic_attributes(TopicArn=arn)
        except ClientError as err:
            if aws.error_code(err) != "NotFound":
                raise
            sns.create_topic(Name=settings.queue.topic)
            return f"events topic {arn}: made"
    return f"events topic {arn}: found"
