"""What each role needs of AWS, in one table, and trying each need by a call that has no effect.

A call is made to fail for another reason than the permission: an upload that was never begun, a receipt that is none, a
dry run. AWS may see that reason first, so "allowed" means: not refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from app import aws
from app.account.doctor.findings import Finding, bad, unknown, well
from app.aws.address import dead_letter_queue_url, task_queue_url
from app.aws.errors import DENIED, EXPIRED, NO_TOPIC, NOT_KNOWN
from app.aws.queues import arn_of
from app.domain import FLEET_TAG
from app.errors import ConfigurationError
from app.settings import Settings

WEB, WORKER, AUTOSCALER = ROLES = ("web", "worker", "autoscaler")
NOTHING = "_doctor/none"


class Account:
    """The account's clients and addresses, each asked for when it is needed first.

    Args:
        settings: the names, and where AWS is.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._clients: dict[str, aws.Client] = {}

    def client(self, service: str) -> aws.Client:
        """Return the client of a service."""
        if service not in self._clients:
            self._clients[service] = aws.client(service, self.settings.aws, read_timeout_s=5, attempts=2)
        return self._clients[service]

    @property
    def tasks(self) -> str:
        """Return the task queue's address."""
        return task_queue_url(self.client("sqs"), self.settings.queue)

    @property
    def dead(self) -> str:
        """Return the dead-letter queue's address."""
        return dead_letter_queue_url(self.client("sqs"), self.settings.queue)

    @property
    def topic(self) -> str:
        """Return the topic's ARN, which is in the queue's account."""
        queue = self.settings.queue
        if queue.topic_arn:
            return queue.topic_arn
        sqs = self.client("sqs")
        arn = arn_of(lambda action, **parameters: getattr(sqs, action)(**parameters), self.tasks)
        return ":".join([*arn.split(":")[:-1], queue.topic]).replace(":sqs:", ":sns:", 1)


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


def permissions(settings: Settings, roles: tuple[str, ...]) -> Iterator[Finding]:
    """Yield what these roles need and is refused or cannot be told, and how many needs are not refused."""
    account = Account(settings)
    needs = [need for need in NEEDS if set(need.roles) & set(roles) and need.applies(settings)]
    allowed, missing = 0, dict[str, None]()
    for need in needs:
        try:
            found = tried(need, account)
        except Missing:
            missing[need.on] = None
            continue
        allowed += found is None
        if found:
            yield found
    if missing:
        yield unknown("permissions", f"some could not be tried, for what is not there: {', '.join(missing)}")
    if allowed:
        yield well("permissions", f"{allowed} of {len(needs)} that {_and(roles)} need are not refused")


class Missing(Exception):
    """What a need is of is not there, which another finding says."""


def tried(need: Need, account: Account) -> Finding | None:
    """Return why a need is not met; None where nothing speaks against it.

    Raises:
        Missing: there is nothing to try it on.
    """
    what, who = f"permission {need.action}", _and(need.roles)
    try:
        need.attempt(account)
    except ClientError as err:
        code = aws.error_code(err)
        if code in EXPIRED or code in NOT_KNOWN:
            return unknown(what, f"the credentials are not good ({code})")
        if code in DENIED:
            return bad(what, f"refused on {need.on}: allow it in the policy of {who}")
        if code in (*aws.NO_QUEUE, "NoSuchBucket") or (code in NO_TOPIC and need.action.startswith("sns:")):
            raise Missing from err
    except (BotoCoreError, ConfigurationError) as err:
        return unknown(what, f"not tried on {need.on}: {err}")
    return None


def _get(bucket: str, account: Account) -> object:
    return account.client("s3").get_object(Bucket=getattr(account.settings.buckets, bucket), Key=NOTHING)


def _put(bucket: str, key: str, account: Account) -> object:
    """Send a part of an upload that was never begun, which needs the right to put the object."""
    name = getattr(account.settings.buckets, bucket)
    return account.client("s3").upload_part(Bucket=name, Key=key, UploadId="none", PartNumber=1, Body=b"")


def _list(bucket: str, account: Account) -> object:
    return account.client("s3").list_objects_v2(Bucket=getattr(account.settings.buckets, bucket), MaxKeys=1)


def _counts(queue: str, account: Account) -> object:
    url = getattr(account, queue)
    return account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])


def _listener(account: Account) -> None:
    """Make a queue as a process that hears events does, and delete it."""
    sqs, name = account.client("sqs"), f"{account.settings.queue.listener_prefix}doctor-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "60"})["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)


def _subscribe(account: Account) -> None:
    """Subscribe what is no queue; where that is taken all the same, it is taken back."""
    sns = account.client("sns")
    made = sns.subscribe(TopicArn=account.topic, Protocol="sqs", Endpoint="none", ReturnSubscriptionArn=True)
    sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])


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


def _and(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


NEEDS = (
    Need("s3:ListBucket", "the input bucket", ROLES, partial(_list, "input")),
    Need("s3:ListBucket", "the output bucket", ROLES, partial(_list, "output")),
    Need("s3:GetObject", "the input bucket", (WEB, WORKER), partial(_get, "input")),
    Need("s3:GetObject", "the output bucket", (WEB, AUTOSCALER), partial(_get, "output")),
    Need("s3:PutObject", "the input bucket", (WEB,), partial(_put, "input", NOTHING)),
    Need("s3:PutObject", "the output bucket's results", (WORKER,), partial(_put, "output", f"{NOTHING}.txt")),
    Need(
        "s3:PutObject",
        "the output bucket's failures",
        (WEB, AUTOSCALER),
        partial(_put, "output", f"{NOTHING}.error.txt"),
    ),
    Need(
        "s3:PutObject", "the output bucket's _autoscaler/*", (AUTOSCALER,), partial(_put, "output", "_autoscaler/none")
    ),
    Need(
        "sqs:SendMessage",
        "the task queue",
        ROLES,
        lambda account: account.client("sqs").send_message_batch(QueueUrl=account.tasks, Entries=[]),
    ),
    Need(
        "sqs:ReceiveMessage",
        "the task queue",
        (WORKER,),
        lambda account: account.client("sqs").receive_message(QueueUrl=account.tasks, MaxNumberOfMessages=0),
    ),
    Need(
        "sqs:DeleteMessage",
        "the task queue",
        (WORKER,),
        lambda account: account.client("sqs").delete_message(QueueUrl=account.tasks, ReceiptHandle="none"),
    ),
    Need(
        "sqs:ChangeMessageVisibility",
        "the task queue",
        (WORKER,),
        lambda account: account.client("sqs").change_message_visibility(
            QueueUrl=account.tasks, ReceiptHandle="none", VisibilityTimeout=0
        ),
    ),
    Need("sqs:GetQueueAttributes", "the task queue", (WEB, AUTOSCALER), partial(_counts, "tasks")),
    Need("sqs:GetQueueAttributes", "the dead-letter queue", (WEB, AUTOSCALER), partial(_counts, "dead")),
    Need(
        "sqs:ListQueues",
        "the account",
        (AUTOSCALER,),
        lambda account: account.client("sqs").list_queues(QueueNamePrefix=account.settings.queue.name, MaxResults=1),
    ),
    Need("sqs:CreateQueue", "listeners' queues, to make and delete", ROLES, _listener, _listens),
    Need(
        "sns:Publish",
        "the events topic",
        ROLES,
        lambda account: account.client("sns").publish_batch(TopicArn=account.topic, PublishBatchRequestEntries=[]),
    ),
    Need("sns:Subscribe", "the events topic", ROLES, _subscribe, _listens),
    Need(
        "sns:ListSubscriptionsByTopic",
        "the events topic",
        (AUTOSCALER,),
        lambda account: account.client("sns").list_subscriptions_by_topic(TopicArn=account.topic),
    ),
    Need(
        "ec2:DescribeInstances",
        "the account",
        (AUTOSCALER,),
        lambda account: account.client("ec2").describe_instances(DryRun=True),
        _launches,
    ),
    Need("ec2:RunInstances", "the launch template", (AUTOSCALER,), _run, _launches),
)
