"""`elastiq destroy`: all of it gone, but for images and results, which go only when that is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from app import aws
from app.aws.depth import QueueReader
from app.deploy.stack import Found, Say, Stack
from app.domain import FLEET_TAG
from app.errors import ConfigurationError, TransientError
from app.settings import Settings

LOOK_S, HOSTS_S = 3.0, 900.0
_LIVES = ["pending", "running", "stopping", "stopped", "shutting-down"]


def destroy(
    settings: Settings,
    name: str,
    say: Say,
    agreed: Callable[[], bool],
    *,
    force: bool = False,
    data: bool = False,
    look_s: float = LOOK_S,
) -> list[str]:
    """End the system ``name`` and everything of it that costs money.

    Args:
        settings: the region.
        name: the stack's.
        say: is told each step.
        agreed: is asked once, when all is told that would be done.
        force: end it though images wait; they stay in the input bucket, without a result.
        data: delete images and results too.
        look_s: seconds between two looks at what happens.

    Returns:
        What is left, a line each; that of a bucket with content.

    Raises:
        ConfigurationError: there is no such system, images wait, or AWS refuses.
        TransientError: AWS does not answer, or hosts do not end.
    """
    stack = Stack(settings.aws, name, look_s)
    found = stack.find()
    if found is None:
        stack.clear(say)
        raise ConfigurationError(f"there is no system {name!r} in {aws.region(settings.aws)}")
    waiting = _waiting(settings, found)
    if waiting and not force:
        raise ConfigurationError(f"{waiting} images wait or are in hand; let them finish, or give them up by --force")
    buckets = _own_buckets(found)
    say(f"remove the stack {name}, its hosts and queues" + (f" with {waiting} images" if waiting else ""))
    say(f"{'delete' if data else 'keep, unless empty,'} {' and '.join(buckets) or 'no bucket'}")
    if not agreed():
        return ["everything: it was not agreed to"]
    _end_hosts(settings, found, name, say, look_s)
    _delete_listeners(settings, f"{name}-tasks-on-", say)
    _empty(settings, found.outputs["SoftwareBucket"], say)
    stack.delete(say)
    return list(_remove_buckets(settings, buckets, data, say))


def _waiting(settings: Settings, found: Found) -> int:
    # A stack from before it had two has one queue.
    bulk_url = found.outputs.get("BulkQueueUrl", "")
    queue = replace(settings.queue, url=found.outputs["QueueUrl"], bulk_url=bulk_url)
    return QueueReader(replace(settings, queue=queue)).depth().total


def _own_buckets(found: Found) -> list[str]:
    """Return the buckets of images and results that are the stack's, or were those of an earlier one of its name."""
    prefix = found.parameters.get("NamePrefix", "")
    names = [found.outputs[kind] for kind in ("InputBucket", "OutputBucket")]
    ours = [
        found.outputs["SoftwareBucket"].replace(f"{prefix}-software-", f"{prefix}-{kind}-", 1)
        for kind in ("input", "output")
    ]
    return [name for name in names if name in ours]


def _end_hosts(settings: Settings, found: Found, name: str, say: Say, look_s: float) -> None:
    """End the control host first, so that nothing launches any more, and then the workers."""
    group = found.outputs.get("ControlGroup")
    scaling, ec2 = aws.client("autoscaling", settings.aws), aws.client("ec2", settings.aws)
    deadline = time.monotonic() + HOSTS_S
    if group:
        with aws.translated("ending the host of web and autoscaler"):
            scaling.update_auto_scaling_group(AutoScalingGroupName=group, MinSize=0, DesiredCapacity=0)
            _await(lambda: not _members(scaling, group), deadline, look_s, "the host of web and autoscaler")
        say("the host of web and autoscaler has ended")
    with aws.translated("ending the workers"):
        workers = _fleet(ec2, name)
        if workers:
            ec2.terminate_instances(InstanceIds=workers)
            _await(lambda: not _fleet(ec2, name), deadline, look_s, f"of the workers {', '.join(workers)}")
            say(f"{len(workers)} workers have ended")


def _members(scaling: Any, group: str) -> list[str]:
    groups = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    return [instance["InstanceId"] for one in groups for instance in one.get("Instances", [])]


def _fleet(ec2: Any, name: str) -> list[str]:
    filters = [{"Name": f"tag:{FLEET_TAG}", "Values": [name]}, {"Name": "instance-state-name", "Values": _LIVES}]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
    reservations = (reservation for page in pages for reservation in page["Reservations"])
    return [instance["InstanceId"] for reservation in reservations for instance in reservation["Instances"]]


def _await(done: Callable[[], bool], deadline: float, look_s: float, what: str) -> None:
    while not done():
        if time.monotonic() > deadline:
            raise TransientError(f"{what} has not ended in {HOSTS_S:.0f} s; run the same command again")
        time.sleep(look_s)


def _delete_listeners(settings: Settings, prefix: str, say: Say) -> None:
    """Delete the queues that processes made at run time; those that were killed could not do it themselves."""
    sqs = aws.client("sqs", settings.aws)
    with aws.translated("deleting listeners' queues"):
        pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=prefix)
        urls = [url for page in pages for url in page.get("QueueUrls", [])]
        for url in urls:
            try:
                sqs.delete_queue(QueueUrl=url)
            except ClientError as err:
                if aws.error_code(err) not in aws.NO_QUEUE:
                    raise
    if urls:
        say(f"{len(urls)} listeners' queues deleted")


def _empty(settings: Settings, bucket: str, say: Say) -> None:
    """Delete every version of every object."""
    s3, deleted = aws.client("s3", settings.aws), 0
    with aws.translated(f"emptying the bucket {bucket!r}"):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in listed]
            if objects:
                answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
                if answer.get("Errors"):
                    raise ConfigurationError(f"{bucket} cannot be emptied: {answer['Errors'][0]['Message']}")
            deleted += len(objects)
    say(f"{bucket}: {deleted} objects deleted")


def _remove_buckets(settings: Settings, buckets: list[str], data: bool, say: Say) -> Iterator[str]:
    """Delete what is empty, or all if ``data``; yield what is left."""
    s3 = aws.client("s3", settings.aws)
    for bucket in buckets:
        if data:
            _empty(settings, bucket, say)
        with aws.translated(f"deleting the bucket {bucket!r}"):
            try:
                s3.delete_bucket(Bucket=bucket)
                say(f"{bucket} deleted")
            except ClientError as err:
                if aws.error_code(err) != "BucketNotEmpty":
                    raise
                yield f"the bucket {bucket} with what is in it; --data deletes it, and the next deploy takes it on"
