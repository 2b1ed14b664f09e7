"""Makes what Elastiq needs in an account: two buckets, the task queue and its dead-letter queue. Idempotent."""

from __future__ import annotations

import json

from botocore.exceptions import ClientError

from app import aws
from app.settings import Settings

MAX_RECEIVE_COUNT = 5
RETENTION_S = 14 * 24 * 3600
VISIBILITY_S = 30


def provision(settings: Settings) -> list[str]:
    """Make what is missing and set right what is there.

    Returns:
        A line for each resource: what it is, its name, and whether it was made or found.

    Raises:
        ConfigurationError: AWS refused, or a bucket's name belongs to somebody else.
    """
    return [
        _bucket(settings, "input bucket", settings.input_bucket),
        _bucket(settings, "output bucket", settings.output_bucket),
        *_queues(settings),
    ]


def _bucket(settings: Settings, what: str, name: str) -> str:
    s3 = aws.client("s3", settings)
    where = {} if settings.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": settings.region}}
    with aws.translated(f"making the {what} {name!r}"):
        try:
            s3.head_bucket(Bucket=name)
        except ClientError as err:
            if aws.error_code(err) not in {"404", "NoSuchBucket", "NotFound"}:
                raise
        else:
            return f"{what} {name}: found"
        s3.create_bucket(Bucket=name, **where)
        if not settings.endpoint_url:
            s3.put_public_access_block(
                Bucket=name,
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                },
            )
        return f"{what} {name}: made"


def _queues(settings: Settings) -> list[str]:
    sqs = aws.client("sqs", settings)
    lines = []
    with aws.translated(f"making the task queue {settings.queue!r}"):
        dead_url, dead_line = _queue(sqs, settings.dead_letter_queue, {"MessageRetentionPeriod": str(RETENTION_S)})
        arn = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes = {
            "MessageRetentionPeriod": str(RETENTION_S),
            "VisibilityTimeout": str(VISIBILITY_S),
            "ReceiveMessageWaitTimeSeconds": "20",
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVE_COUNT}),
        }
        _, line = _queue(sqs, settings.queue, attributes)
        lines += [f"dead-letter queue {dead_line}", f"task queue {line}"]
    return lines


def _queue(sqs: aws.Client, name: str, attributes: dict[str, str]) -> tuple[str, str]:
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except ClientError as err:
        if aws.error_code(err) not in {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}:
            raise
        return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], f"{name}: made"
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url, f"{name}: found"
