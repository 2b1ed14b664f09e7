"""Each permission that is refused is found, and named with who needs it."""

from __future__ import annotations

import pytest

from app import aws
from app.account.doctor.findings import State
from app.account.doctor.needs import NEEDS, ROLES, needs_of
from app.account.doctor.permissions import permissions
from app.settings import Settings
from tests.support.fault_proxy import FaultProxy

# The call by which each is tried, where that has another name.
CALLS = {
    "s3:ListBucket": "ListObjectsV2",
    "sqs:SendMessage": "SendMessageBatch",
    "sns:Publish": "PublishBatch",
}
ACTIONS = sorted({need.action for need in NEEDS if not need.action.startswith("ec2:")})


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_refused_is_named_with_who_needs_it(
    environment: dict[str, str], proxy: FaultProxy, action: str
) -> None:
    proxy.fault(CALLS.get(action, action.partition(":")[2]), "403")
    told = {
        "ELASTIQ_SOURCE_BUCKETS": environment["ELASTIQ_INPUT_BUCKET"],
        "ELASTIQ_COMPLETION_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:completions",
        "ELASTIQ_WEBHOOK_SECRET": "arn:aws:secretsmanager:us-east-1:000000000000:secret:hooks-a1b2c3",
    }
    settings = Settings.from_environment({**environment, **told, "AWS_ENDPOINT_URL": proxy.endpoint_url})
    found = [finding for finding in permissions(settings, ROLES) if finding.state is State.FAIL]
    needs = [need for need in needs_of(settings) if need.action == action]
    said = {(finding.what, finding.says.partition(":")[0]) for finding in found}
    assert {(f"permission {action}", f"refused on {need.on}") for need in needs} == said
    assert all(f"the policy of {need.roles[0]}" in " ".join(finding.says for finding in found) for need in needs)


def test_only_what_the_roles_need_is_tried(environment: dict[str, str], proxy: FaultProxy) -> None:
    settings = Settings.from_environment({**environment, "AWS_ENDPOINT_URL": proxy.endpoint_url})
    (finding,) = permissions(settings, ("worker",))
    count = sum("worker" in need.roles for need in NEEDS)
    assert finding.says == f"{count} of {count} that worker need are not refused"
    assert "ListQueues" not in proxy.calls


def test_a_message_that_waits_is_neither_taken_nor_counted(environment: dict[str, str]) -> None:
    config = Settings.from_environment(environment)
    sqs = aws.client("sqs", config.aws)
    url = sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="an image")
    assert list(permissions(config, ROLES))
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


@pytest.mark.parametrize("refused", ["DeleteQueue", "TagQueue"])
def test_a_listener_s_queue_is_not_left_where_that_can_be_helped(
    environment: dict[str, str], proxy: FaultProxy, refused: str
) -> None:
    proxy.fault(refused, "403")
    settings = Settings.from_environment({**environment, "AWS_ENDPOINT_URL": proxy.endpoint_url})
    assert any(finding.what == f"permission sqs:{refused}" for finding in permissions(settings, ROLES))
    assert proxy.calls["DeleteQueue"] == (2 if refused == "DeleteQueue" else 1)


def test_where_no_queue_may_be_made_nothing_more_of_it_is_said(environment: dict[str, str], proxy: FaultProxy) -> None:
    proxy.fault("CreateQueue", "403")
    settings = Settings.from_environment({**environment, "AWS_ENDPOINT_URL": proxy.endpoint_url})
    refused, missing, _ = permissions(settings, ROLES)
    assert refused.what == "permission sqs:CreateQueue"
    assert missing.says.endswith("for what is not there: a listener's queue")


def test_where_addresses_may_not_be_looked_up_nothing_else_is_blamed(
    environment: dict[str, str], proxy: FaultProxy
) -> None:
    proxy.fault("GetQueueUrl", "403")
    settings = Settings.from_environment({**environment, "AWS_ENDPOINT_URL": proxy.endpoint_url})
    found = list(permissions(settings, ("web",)))
    assert [finding for finding in found if finding.state is State.FAIL] == []
    assert any("ELASTIQ_QUEUE_URL and ELASTIQ_TOPIC_ARN spare that" in finding.says for finding in found)
