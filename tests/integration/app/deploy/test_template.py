"""The template on its way to CloudFormation: a part of it that a request takes, and all of it in a bucket."""

from __future__ import annotations

import base64

from app.deploy.stack import Stack
from app.deploy.template import TEMPLATE, foundation, stored
from tests.support import template
from tests.support.account import Account

# Source: CloudFormation user guide, quotas: a template body that is passed in a request, and one in an object.
BODY_BYTES, OBJECT_BYTES = 51_200, 1_000_000


def test_the_foundation_fits_into_a_request_with_room_to_grow_and_all_of_it_into_an_object() -> None:
    assert len(foundation().encode()) < BODY_BYTES - 4_000
    assert TEMPLATE.stat().st_size < OBJECT_BYTES
    assert TEMPLATE == template.FILE


def test_the_foundation_is_the_template_but_for_what_hosts_do() -> None:
    whole, part = template.load(), template.load(foundation())

    assert "def main(" in whole["Mappings"]["Host"]["Setup"].pop("UserData")
    assert "def main(" not in part["Mappings"]["Host"]["Setup"].pop("UserData")
    assert part == whole


def test_it_is_stored_once_and_cloudformation_reads_it_there(account: Account) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="software", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    address = stored(account.settings, "software")
    (item,) = s3.list_objects_v2(Bucket="software")["Contents"]

    assert stored(account.settings, "software") == address
    assert address.endswith(f"/software/{item['Key']}")
    stack = Stack(account.settings.aws, "elastiq")
    change, changes = stack.prepare(address, {}, new=True)
    assert "Tasks" in {one.name for one in changes}
    assert s3.list_objects_v2(Bucket="software")["Contents"] == [item]
    stack.forget(change, new=True)


def test_sources_webhooks_and_a_topic_are_told_to_hosts_and_allowed_to_roles(account: Account) -> None:
    secret = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:hooks-a1b2c3"
    topic = "arn:aws:sns:eu-central-1:000000000000:completions"
    account.make(
        SourceBuckets="photos,scans", WebhookHosts="hooks.example.com", WebhookSecretArn=secret, CompletionTopic=topic
    )

    assert '"ELASTIQ_SOURCE_BUCKETS": "photos,scans"' in user_data(account, "worker")
    control = user_data(account, "control")
    assert f'"ELASTIQ_WEBHOOK_SECRET": "{secret}", "ELASTIQ_COMPLETION_TOPIC_ARN": "{topic}"' in control
    assert len(control) < 16_384, "what EC2 takes"
    for role in ("web", "worker"):
        assert allowed(account, role, "sources") == [
            ["arn:*:s3:::photos", "arn:*:s3:::scans"],
            ["arn:*:s3:::photos/*", "arn:*:s3:::scans/*"],
        ]
    assert allowed(account, "autoscaler", "signing") == [secret]
    assert allowed(account, "autoscaler", "completions") == [topic]


def test_a_stack_without_them_has_no_right_to_any(account: Account) -> None:
    account.make()

    iam = account.client("iam")
    for role in ("web", "worker", "autoscaler"):
        names = iam.list_role_policies(RoleName=f"elastiq-{role}-eu-central-1")["PolicyNames"]
        assert not {"sources", "signing", "completions"}.intersection(names)


def user_data(account: Account, host: str) -> str:
    """Return what a new host of a kind is given."""
    found = account.client("ec2").describe_launch_template_versions(LaunchTemplateName=f"elastiq-{host}")
    (version,) = found["LaunchTemplateVersions"]
    return base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode()


def allowed(account: Account, role: str, policy: str) -> list[object]:
    """Return what each statement of a role's policy is about."""
    name = f"elastiq-{role}-eu-central-1"
    document = account.client("iam").get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    return [statement["Resource"] for statement in document["Statement"]]
