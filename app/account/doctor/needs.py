"""What each role needs of AWS, in one table, each with a call that has no effect.

A call is made to fail for another reason than the permission: an upload that was never begun, a receipt that is none, a
dry run. What listeners do is done, on a queue that is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.account.doctor.account import Account
from app.aws.named import client_of
from app.domain import FLEET_TAG
from app.settings import Settings
from app.storage import STAGED

WEB, WORKER, AUTOSCALER = ROLES = ("web", "worker", "autoscaler")
# Granted, and not tried: of these there is no call without effect.
UNTRIED = {
    "ec2:CreateTags": "only of instances that there are, with this fleet's tag",
    "ec2:TerminateInstances": "likewise",
    "iam:PassRole": "a part of ec2:RunInstances",
    "logs:CreateLogStream": "the logs' unit is to say",
    "logs:PutLogEvents": "likewise",
    "sns:Unsubscribe": "there is nothing to unsubscribe",
}
NOTHING = "_doctor/none"


@dataclass(frozen=True, slots=True)
class Need:
    """What roles need.

    Attributes:
        action: as policies name it.
        on: of what, in words.
        roles: who needs it.
        attempt: makes the call.
        applies: whether it is needed with these settings.
    """

    action: str
    on: str
    roles: tuple[str, ...]
    attempt: Callable[[Account], object]
    applies: Callable[[Settings], bool] = lambda settings: True


def _get_in(name: str, account: Account, key: str = NOTHING) -> object:
    return account.client("s3").get_object(Bucket=name, Key=key)


def _list_in(name: str, account: Account) -> object:
    return account.client("s3").list_objects_v2(Bucket=name, MaxKeys=1)


def _get(bucket: str, account: Account, key: str = NOTHING) -> object:
    return _get_in(getattr(account.settings.buckets, bucket), account, key)


def _put(bucket: str, key: str, account: Account) -> object:
    """Send a part of an upload that was never begun, which needs the right to put the object."""
    name = getattr(account.settings.buckets, bucket)
    return account.client("s3").upload_part(Bucket=name, Key=key, UploadId="none", PartNumber=1, Body=b"")


def _delete(bucket: str, key: str, account: Account) -> object:
    """Delete what is not there."""
    return account.client("s3").delete_object(Bucket=getattr(account.settings.buckets, bucket), Key=key)


def _list(bucket: str, account: Account) -> object:
    return _list_in(getattr(account.settings.buckets, bucket), account)


def _sqs(action: str, queue: str, account: Account, **parameters: Any) -> object:
    return getattr(account.client("sqs"), action)(QueueUrl=getattr(account, queue), **parameters)


def _queue(action: str, queue: str, **parameters: Any) -> Callable[[Account], object]:
    return lambda account: _sqs(action, queue, account, **parameters)


def _counts(queue: str) -> Callable[[Account], object]:
    return _queue("get_queue_attributes", queue, AttributeNames=["ApproximateNumberOfMessages"])


def _subscribe(account: Account) -> None:
    """Subscribe what is no queue; where that is taken all the same, it is taken back."""
    sns = account.client("sns")
    made = sns.subscribe(TopicArn=account.topic, Protocol="sqs", Endpoint="none", ReturnSubscriptionArn=True)
    sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])


def _sns(action: str, account: Account, topic: str = "", **parameters: Any) -> object:
    arn = topic or account.topic
    sns = client_of(arn, account.settings.aws, read_timeout_s=5, attempts=2)
    return getattr(sns, action)(TopicArn=arn, **parameters)


def _read_secret(account: Account) -> None:
    arn = account.settings.hooks.secret_arn
    client_of(arn, account.settings.aws, read_timeout_s=5, attempts=2).get_secret_value(SecretId=arn)


def _run(account: Account) -> object:
    ec2 = account.settings.ec2
    kind = "LaunchTemplateId" if ec2.launch_template.startswith("lt-") else "LaunchTemplateName"
    place: dict[str, Any] = {"SubnetId": ec2.subnets, "InstanceType": ec2.instance_types}
    tags = [{"Key": FLEET_TAG, "Value": ec2.fleet}, {"Key": "Name", "Value": f"{ec2.fleet}-worker"}]
    return account.client("ec2").run_instances(
        DryRun=True,
        LaunchTemplate={kind: ec2.launch_template, "Version": ec2.launch_template_version},
        MinCount=1,
        MaxCount=1,
        InstanceInitiatedShutdownBehavior="terminate",
        TagSpecifications=[{"ResourceType": resource, "Tags": tags} for resource in ("instance", "volume")],
        **{name: value.partition(",")[0].strip() for name, value in place.items() if value},
    )


def _listens(settings: Settings) -> bool:
    return settings.queue.listen


def _launches(settings: Settings) -> bool:
    return bool(settings.ec2.launch_template) and not settings.autoscaler.watch_only


def _direct(settings: Settings) -> bool:
    return bool(settings.web.direct_origins)


def _one(settings: Settings) -> bool:
    return not settings.queue.bulk


def _two(settings: Settings) -> bool:
    return bool(settings.queue.bulk)


_RECEIPT = {"ReceiptHandle": "none"}
_HIDE = {**_RECEIPT, "VisibilityTimeout": 0}
# As many as nobody may ask for: what waits is neither taken nor counted as tried.
_NONE = {"MaxNumberOfMessages": 0}
_NO_ENTRIES: dict[str, Any] = {"PublishBatchRequestEntries": []}
_INPUT, _OUTPUT = "the input bucket", "the output bucket"
_TASKS, _BULK = "the task queue", "the bulk queue"
_DEAD, _TOPIC, _OWN = "the dead-letter queue", "the events topic", "a listener's queue"

NEEDS = (
    Need("s3:ListBucket", _INPUT, ROLES, partial(_list, "input")),
    Need("s3:ListBucket", _OUTPUT, ROLES, partial(_list, "output")),
    Need("s3:GetObject", _INPUT, (WEB, WORKER), partial(_get, "input")),
    Need("s3:GetObject", _OUTPUT, (WEB, AUTOSCALER), partial(_get, "output")),
    Need("s3:GetObject", f"{_OUTPUT}'s _batches/*", (WORKER,), partial(_get, "output", key="_batches/none")),
    Need("s3:PutObject", _INPUT, (WEB,), partial(_put, "input", NOTHING)),
    Need("s3:PutObject", f"{_INPUT}'s {STAGED}*", (WEB,), partial(_put, "input", f"{STAGED}none"), _direct),
    Need("s3:GetObject", f"{_INPUT}'s {STAGED}*", (WEB,), partial(_get, "input", key=f"{STAGED}none"), _direct),
    Need("s3:DeleteObject", f"{_INPUT}'s {STAGED}*", (WEB,), partial(_delete, "input", f"{STAGED}none"), _direct),
    Need("s3:PutObject", f"{_OUTPUT}'s results", (WORKER,), partial(_put, "output", f"{NOTHING}.txt")),
    Need("s3:PutObject", f"{_OUTPUT}'s failures", (WEB, AUTOSCALER), partial(_put, "output", f"{NOTHING}.error.txt")),
    Need("s3:PutObject", f"{_OUTPUT}'s _autoscaler/*", (AUTOSCALER,), partial(_put, "output", "_autoscaler/none")),
    Need("s3:PutObject", f"{_OUTPUT}'s _batches/*", (WEB, AUTOSCALER), partial(_put, "output", "_batches/none")),
    Need("s3:DeleteObject", _INPUT, (WEB, AUTOSCALER), partial(_delete, "input", NOTHING)),
    Need("s3:DeleteObject", f"{_OUTPUT}'s results", (WEB, AUTOSCALER), partial(_delete, "output", f"{NOTHING}.txt")),
    Need("s3:DeleteObject", f"{_OUTPUT}'s _batches/*", (WEB, AUTOSCALER), partial(_delete, "output", "_batches/none")),
    Need("sqs:SendMessage", _TASKS, (WEB, WORKER), _queue("send_message_batch", "tasks", Entries=[])),
    Need("sqs:SendMessage", _TASKS, (AUTOSCALER,), _queue("send_message_batch", "tasks", Entries=[]), _one),
    Need("sqs:ReceiveMessage", _TASKS, (WORKER,), _queue("receive_message", "tasks", **_NONE)),
    Need("sqs:DeleteMessage", _TASKS, (WORKER,), _queue("delete_message", "tasks", **_RECEIPT)),
    Need("sqs:ChangeMessageVisibility", _TASKS, (WORKER,), _queue("change_message_visibility", "tasks", **_HIDE)),
    Need("sqs:GetQueueAttributes", _TASKS, (WEB, AUTOSCALER), _counts("tasks")),
    Need("sqs:SendMessage", _BULK, ROLES, _queue("send_message_batch", "bulk", Entries=[]), _two),
    Need("sqs:ReceiveMessage", _BULK, (WORKER,), _queue("receive_message", "bulk", **_NONE), _two),
    Need("sqs:DeleteMessage", _BULK, (WORKER,), _queue("delete_message", "bulk", **_RECEIPT), _two),
    Need("sqs:ChangeMessageVisibility", _BULK, (WORKER,), _queue("change_message_visibility", "bulk", **_HIDE), _two),
    Need("sqs:GetQueueAttributes", _BULK, (WEB, AUTOSCALER), _counts("bulk"), _two),
    Need("sqs:GetQueueAttributes", _DEAD, (WEB, AUTOSCALER), _counts("dead")),
    Need("sqs:ReceiveMessage", _DEAD, (AUTOSCALER,), _queue("receive_message", "dead", **_NONE)),
    Need("sqs:DeleteMessage", _DEAD, (AUTOSCALER,), _queue("delete_message", "dead", **_RECEIPT)),
    Need("sqs:ChangeMessageVisibility", _DEAD, (AUTOSCALER,), _queue("change_message_visibility", "dead", **_HIDE)),
    Need(
        "sqs:ListQueues",
        "the account",
        (AUTOSCALER,),
        lambda account: account.client("sqs").list_queues(QueueNamePrefix=account.settings.queue.name, MaxResults=1),
    ),
    Need("sqs:CreateQueue", _OWN, ROLES, Account.make_listener, _listens),
    Need("sqs:TagQueue", _OWN, ROLES, _queue("tag_queue", "listener", Tags={"elastiq-doctor": "1"}), _listens),
    Need("sqs:ListQueueTags", _OWN, (AUTOSCALER,), _queue("list_queue_tags", "listener"), _listens),
    Need("sqs:ReceiveMessage", _OWN, ROLES, _queue("receive_message", "listener"), _listens),
    Need("sqs:DeleteMessage", _OWN, ROLES, _queue("delete_message", "listener", **_RECEIPT), _listens),
    Need(
        "sqs:ChangeMessageVisibility",
        _OWN,
        (WEB, AUTOSCALER),
        _queue("change_message_visibility", "listener", **_HIDE),
        _listens,
    ),
    Need(
        "sqs:GetQueueUrl",
        _OWN,
        (WORKER,),
        lambda account: account.listener and account.client("sqs").get_queue_url(QueueName=account.listener_name),
        _listens,
    ),
    Need("sqs:DeleteQueue", _OWN, ROLES, Account.delete_listener, _listens),
    Need("sns:Publish", _TOPIC, ROLES, partial(_sns, "publish_batch", **_NO_ENTRIES)),
    Need(
        "sns:Publish",
        "the completion topic",
        (AUTOSCALER,),
        lambda account: _sns("publish_batch", account, account.settings.hooks.topic_arn, **_NO_ENTRIES),
        lambda settings: settings.hooks.topic_arn != "",
    ),
    Need(
        "secretsmanager:GetSecretValue",
        "the webhooks' secret",
        (AUTOSCALER,),
        _read_secret,
        lambda settings: settings.hooks.secret_arn != "",
    ),
    Need("sns:Subscribe", _TOPIC, ROLES, _subscribe, _listens),
    Need("sns:ListSubscriptionsByTopic", _TOPIC, (AUTOSCALER,), partial(_sns, "list_subscriptions_by_topic")),
    Need(
        "ec2:DescribeInstances",
        "the account",
        (AUTOSCALER,),
        lambda account: account.client("ec2").describe_instances(DryRun=True),
        _launches,
    ),
    Need("ec2:RunInstances", "the launch template", (AUTOSCALER,), _run, _launches),
)


def needs_of(settings: Settings) -> list[Need]:
    """Return what is needed with these settings, of each bucket that batches may be made of, too."""
    return [need for need in (*NEEDS, *_of_sources(settings)) if need.applies(settings)]


def _of_sources(settings: Settings) -> Iterator[Need]:
    for bucket in sorted(settings.buckets.sources):
        on = f"the source bucket {bucket}"
        yield Need("s3:ListBucket", on, (WEB, WORKER), partial(_list_in, bucket))
        yield Need("s3:GetObject", on, (WEB, WORKER), partial(_get_in, bucket))
