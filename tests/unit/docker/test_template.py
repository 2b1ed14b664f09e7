"""The template: it says what the code says, has what hosts run in it, and gives no more rights than are used."""

from __future__ import annotations

import email
import json
import re
from dataclasses import fields
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

import pytest

from app.access.keys import FOLDER as KEYS
from app.account.provision import _CORS, _CORS_S, _IN_INPUT, _IN_OUTPUT
from app.aws.queues import QueuePlan, dead_letter_attributes, dead_letter_queue, task_queue_attributes
from app.brakes import KEY as BRAKES
from app.deploy.bundle import TIERS, UNITS
from app.domain import FLEET_TAG
from app.settings import SECTIONS, QueueSettings, Settings
from app.storage import FAILURE, RESULT, STAGED
from autoscaler.leader import KEY as LEASE
from autoscaler.remembered import KEY as RATES
from autoscaler.spending import KEY as SPENT
from autoscaler.sweep.republish import COUNTS
from autoscaler.sweep.unfinished import MARK
from tests.support import template
from tests.support.template import rendered, resources, statements, words
from tests.unit.test_docs import section

TEMPLATE = template.load()
KNOWN = {field.metadata["variable"] for section in SECTIONS.values() for field in fields(section)}


def user_data(name: str) -> str:
    """Return a host's user data; what it takes from elsewhere in the template stands as it is named there."""
    data = resources("AWS::EC2::LaunchTemplate")[name]["LaunchTemplateData"]["UserData"]
    start, (values, _) = data["Fn::Base64"]["Fn::Join"][1][0], data["Fn::Base64"]["Fn::Join"][1][1]["Fn::Sub"]
    assert start == {"Fn::FindInMap": ["Host", "Setup", "UserData"]}
    return str(TEMPLATE["Mappings"]["Host"]["Setup"]["UserData"] + values)


def told(name: str) -> dict[str, Any]:
    """Return the values that a host's set-up is called with."""
    found = re.search(r"^main\((\{.*\})\)$", user_data(name), re.MULTILINE | re.DOTALL)
    assert found
    values: dict[str, Any] = eval(found[1])
    return values


@pytest.mark.parametrize("name", ["WorkerTemplate", "ControlTemplate"])
def test_hosts_run_what_is_in_the_folder_of_hosts(name: str) -> None:
    deadline, setup = email.message_from_string(user_data(name)).get_payload()

    assert deadline.get_content_type() == "text/cloud-boothook"
    assert deadline.get_payload().strip() == (UNITS / "deadline.sh").read_text().strip(), "run docker/embed.py"
    assert setup.get_content_type() == "text/x-shellscript"
    source, _, call = setup.get_payload().rpartition("\nmain(")
    assert source.strip() == (UNITS / "bootstrap.py").read_text().strip(), "run docker/embed.py"
    assert call.strip().endswith("})")


@pytest.mark.parametrize("name", ["WorkerTemplate", "ControlTemplate"])
def test_user_data_leaves_room_below_what_ec2_takes(name: str) -> None:
    assert len(user_data(name)) < 15_000


@pytest.mark.parametrize("name", ["WorkerTemplate", "ControlTemplate"])
def test_what_a_host_is_told_are_settings_that_exist(name: str) -> None:
    values = told(name)

    for settings in (values["settings"], *values["units"].values()):
        assert settings.keys() - {"ROLE"} <= KNOWN


def test_the_autoscaler_is_told_which_model_the_workers_run() -> None:
    worker, autoscaler = told("WorkerTemplate")["units"]["worker"], told("ControlTemplate")["units"]["autoscaler"]

    assert worker.items() <= autoscaler.items()


@pytest.mark.parametrize(("name", "tier"), [("WorkerTemplate", "worker"), ("ControlTemplate", "control")])
def test_a_host_starts_the_units_of_its_bundle(name: str, tier: str) -> None:
    values = told(name)

    assert {"elastiq-logs", *(f"elastiq-{unit}" for unit in values["units"])} == set(TIERS[tier].units)
    assert {part.partition("=")[0] for part in values["alive"].split()} == values["units"].keys()


def test_the_queues_are_as_the_code_would_make_them() -> None:
    queues = resources("AWS::SQS::Queue")
    tasks, dead = queues["Tasks"], queues["DeadLetters"]
    name = tasks["QueueName"]["Fn::Sub"]

    assert dead["QueueName"]["Fn::Sub"] == dead_letter_queue(name)
    bulk = queues["Bulk"]
    assert bulk["QueueName"]["Fn::Sub"] == QueueSettings(name=name).bulk
    for made, wanted in (
        (tasks, task_queue_attributes(name, QueuePlan(), "arn")),
        (bulk, task_queue_attributes(name, QueuePlan(), "arn")),
        (dead, dead_letter_attributes(name, QueuePlan())),
    ):
        for attribute, value in wanted.items():
            if attribute == "RedrivePolicy":
                assert made[attribute]["maxReceiveCount"] == QueuePlan().max_receives
                assert made[attribute]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
            else:
                assert str(made[attribute]) == value


def test_names_are_those_that_the_settings_make_of_the_queue_s() -> None:
    queue = Settings.from_environment({"ELASTIQ_QUEUE": "e-tasks"}).queue

    topic = resources("AWS::SNS::Topic")["Events"]["TopicName"]["Fn::Sub"]
    assert topic.replace("${NamePrefix}", "e") == queue.topic
    listeners = {resource for _, s in statements() for resource in re.findall(r"[^:\"]*-on-\*", words(s))}
    assert {name.replace("${NamePrefix}", "e") for name in listeners} == {f"{queue.listener_prefix}*"}


@pytest.mark.parametrize(("bucket", "expiries"), [("Input", _IN_INPUT), ("Output", _IN_OUTPUT)])
def test_what_is_kept_for_days_alone_expires_as_provision_has_it(bucket: str, expiries: list[dict[str, Any]]) -> None:
    rules = resources("AWS::S3::Bucket")[bucket]["LifecycleConfiguration"]["Rules"]

    for expiry in expiries:
        (rule,) = [rule for rule in rules if rule.get("Id") == expiry["ID"]]
        assert rule["Prefix"] == expiry["Filter"]["Prefix"]
        assert rule["ExpirationInDays"] == expiry["Expiration"]["Days"]


def test_pages_are_let_in_to_the_bucket_as_provision_has_it_where_their_files_go_straight_there() -> None:
    name, ours, nothing = resources("AWS::S3::Bucket")["Input"]["CorsConfiguration"]["Fn::If"]
    (rule,) = ours["CorsRules"]

    assert (name, nothing) == ("Direct", {"Ref": "AWS::NoValue"})
    assert (rule["Id"], rule["AllowedMethods"], rule["MaxAge"]) == (_CORS, ["POST"], _CORS_S)
    assert (rule["AllowedOrigins"], rule["ExposedHeaders"]) == ([{"Ref": "DirectUploads"}], ["Retry-After"])
    assert told("ControlTemplate")["units"]["web"]["ELASTIQ_DIRECT_UPLOADS"] == "${DirectUploads}"


@pytest.mark.parametrize("name", resources("AWS::S3::Bucket"))
def test_a_bucket_is_private_encrypted_and_answers_to_tls_alone(name: str) -> None:
    bucket, policy = resources("AWS::S3::Bucket")[name], resources("AWS::S3::BucketPolicy")[f"{name}Policy"]

    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert "BucketEncryption" in bucket
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("name", resources("AWS::EC2::LaunchTemplate"))
def test_a_host_asks_for_a_token_encrypts_its_disk_and_is_gone_when_it_is_off(name: str) -> None:
    data = resources("AWS::EC2::LaunchTemplate")[name]["LaunchTemplateData"]

    assert data["MetadataOptions"] == {
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "InstanceMetadataTags": "enabled",
    }
    assert data["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True


def test_only_workers_carry_the_tag_by_which_the_autoscaler_counts() -> None:
    tagged = {
        name
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] not in ("AWS::IAM::Policy",) and f'"{FLEET_TAG}"' in words(resource)
    }

    assert tagged == {"WorkerTemplate"}


def test_nobody_reaches_a_host_from_outside_unless_the_page_is_public() -> None:
    groups = TEMPLATE["Resources"]
    opened = [
        name
        for name, group in resources("AWS::EC2::SecurityGroup").items()
        if "SecurityGroupIngress" in group and groups[name].get("Condition") != "Public"
    ]

    assert not opened


def test_every_role_can_be_bounded_and_is_named_by_the_prefix() -> None:
    for role in resources("AWS::IAM::Role").values():
        assert role["PermissionsBoundary"]["Fn::If"][:2] == ["HasBoundary", {"Ref": "PermissionsBoundary"}]
        assert role["RoleName"]["Fn::Sub"].startswith("${NamePrefix}-")


def rights(role: str) -> set[str]:
    found = [statement["Action"] for name, statement in statements() if name == role]
    return {action for actions in found for action in ([actions] if isinstance(actions, str) else actions)}


def test_no_right_is_given_by_a_pattern_and_everywhere_only_what_knows_no_resource() -> None:
    everywhere = {"sns:Unsubscribe", "sqs:ListQueues", "ec2:DescribeInstances"}
    for role, statement in statements():
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not [action for action in actions if "*" in action], role
        if statement["Resource"] == "*":
            assert set(actions) <= everywhere


def test_a_worker_and_web_have_no_right_over_instances_and_no_role_to_pass() -> None:
    for role, service in product(("WorkerRole", "WebRole"), ("ec2", "iam", "sts", "ssm")):
        assert not [right for right in rights(role) if right.startswith(f"{service}:")]


def test_a_worker_may_write_results_and_nothing_that_the_autoscaler_keeps() -> None:
    written = [
        resource
        for role, s in statements()
        if role == "WorkerRole" and "s3:PutObject" in s["Action"]
        for resource in re.findall(r"\$\{Bucket\}/([^\"]*)", words(s["Resource"]))
    ]

    assert sorted(written) == ["*.txt", "_celery/*"]
    for kept in (LEASE, RATES, SPENT, BRAKES, MARK, COUNTS):
        assert not any(fnmatchcase(kept, pattern) for pattern in written)
    assert all(f"a/b.jpg{suffix}".endswith(".txt") for suffix in (RESULT, FAILURE))


def may(role: str, action: str, resource: str) -> bool:
    """Return whether a role may do something, conditions aside: it is allowed by a statement, and denied by none."""

    def says(effect: str) -> bool:
        return any(
            action in s["Action"] and any(fnmatchcase(resource, pattern) for pattern in resources_of(s))
            for name, s in statements(effect)
            if name == role
        )

    return says("Allow") and not says("Deny")


def resources_of(statement: dict[str, Any]) -> list[str]:
    found = rendered(statement["Resource"])
    return found if isinstance(found, list) else [found]


def test_web_alone_reads_keys_and_nobody_here_makes_changes_or_deletes_one() -> None:
    key = f"arn:aws:s3:::elastiq-output/{KEYS}0a1b2c3d4e5f6071.json"
    roles = resources("AWS::IAM::Role")
    assert [role for role in roles if may(role, "s3:GetObject", key)] == ["WebRole"]
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert not [role for role in roles if may(role, action, key)]
    denied = {role for role, s in statements("Deny") if KEYS in words(s) and "s3:GetObject" in s["Action"]}
    assert denied == {"WorkerRole", "AutoscalerRole"}, "whatever else they are allowed one day"


def test_web_alone_reads_what_clients_have_put_and_nobody_has_looked_at() -> None:
    staged = f"arn:aws:s3:::elastiq-input/{STAGED}batch/0a1b2c3d4e5f6071"
    assert [role for role in resources("AWS::IAM::Role") if may(role, "s3:GetObject", staged)] == ["WebRole"]
    assert may("WorkerRole", "s3:GetObject", "arn:aws:s3:::elastiq-input/batch/cat.jpg")


@pytest.mark.parametrize("role", ["WebRole", "WorkerRole"])
def test_of_other_buckets_exactly_those_that_are_named_are_read(role: str) -> None:
    listed, read = (
        {name for name in ("photos", "scans", "photos2") if may(role, action, f"arn:aws:s3:::{name}{rest}")}
        for action, rest in (("s3:ListBucket", ""), ("s3:GetObject", "/a/b.jpg"))
    )
    assert listed == read == {"photos", "scans"}
    assert not may("AutoscalerRole", "s3:GetObject", "arn:aws:s3:::photos/a/b.jpg")


def test_the_autoscaler_alone_reads_the_webhooks_secret_and_publishes_completions() -> None:
    secret, topic = (template.SAMPLES[name] for name in ("WebhookSecretArn", "CompletionTopic"))
    roles = resources("AWS::IAM::Role")
    assert [role for role in roles if may(role, "secretsmanager:GetSecretValue", secret)] == ["AutoscalerRole"]
    assert [role for role in roles if may(role, "sns:Publish", topic)] == ["AutoscalerRole"]
    assert not may("AutoscalerRole", "sns:Publish", f"{topic}-others")


def test_no_host_is_told_a_secret_itself() -> None:
    assert told("ControlTemplate")["settings"]["ELASTIQ_WEBHOOK_SECRET"] == "${WebhookSecretArn}"
    assert "NoEcho" not in TEMPLATE["Parameters"]["WebhookSecretArn"]
    hidden = [name for name, parameter in TEMPLATE["Parameters"].items() if parameter.get("NoEcho")]
    assert not [name for name in hidden if name in user_data("ControlTemplate") + user_data("WorkerTemplate")]


def test_a_worker_touches_no_listener_but_those_of_instances() -> None:
    of = {role: words(s["Resource"]) for role, s in statements() if "sqs:DeleteQueue" in s["Action"]}

    assert "-tasks-on-i-*" in of["WorkerRole"]
    assert all("-tasks-on-*" in of[role] for role in ("WebRole", "AutoscalerRole"))
    worker = (UNITS / "elastiq-worker.service").read_text()
    assert "ELASTIQ_INSTANCE_ID" in worker, "whence its queue's name begins with the instance's id"


def test_nothing_but_a_queue_of_this_system_hears_its_events() -> None:
    (hears,) = {words(s["Condition"]) for _, s in statements() if s["Action"] == "sns:Subscribe"}

    assert json.loads(hears)["StringEquals"] == {"sns:Protocol": "sqs"}
    assert "-tasks-on-*" in hears


def test_the_autoscaler_launches_one_template_tagged_and_touches_only_what_carries_the_tag() -> None:
    launching = [s for role, s in statements() if role == "AutoscalerRole" and "ec2:" in words(s)]
    runs = [s for s in launching if s["Action"] == "ec2:RunInstances"]
    assert all("WorkerTemplate" in words(s["Condition"]["ArnEquals"]["ec2:LaunchTemplate"]) for s in runs)
    assert any(s["Condition"].get("StringEquals", {}).keys() == {f"aws:RequestTag/{FLEET_TAG}"} for s in runs)
    (ends,) = [s for s in launching if s["Action"] == "ec2:TerminateInstances"]
    assert ends["Condition"] == {"StringEquals": {f"aws:ResourceTag/{FLEET_TAG}": {"Ref": "NamePrefix"}}}
    (passes,) = [s for role, s in statements() if role == "AutoscalerRole" and s["Action"] == "iam:PassRole"]
    assert passes["Resource"] == {"Fn::GetAtt": ["WorkerRole", "Arn"]}
    assert passes["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


def test_a_host_may_only_take_on_its_two_processes_roles() -> None:
    (takes,) = [s for role, s in statements() if role == "HostRole" and "sts:" in words(s["Action"])]

    assert len(takes["Resource"]) == 2
    trusts = resources("AWS::IAM::Role")
    for name in ("WebRole", "AutoscalerRole"):
        (statement,) = trusts[name]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"AWS": {"Fn::GetAtt": ["HostRole", "Arn"]}}


def test_every_parameter_has_a_default_so_that_none_must_be_given() -> None:
    assert not [name for name, parameter in TEMPLATE["Parameters"].items() if "Default" not in parameter]


def test_the_document_lists_exactly_the_parameters_with_their_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? \| (.*) \|$", section("deploy.md", "Parameters"), re.MULTILINE)

    parameters = TEMPLATE["Parameters"]
    assert {name: default for name, default, _ in rows} == {k: str(v["Default"]) for k, v in parameters.items()}
    assert all(said == parameters[name]["Description"] for name, _, said in rows if "Description" in parameters[name])


@pytest.mark.parametrize("role", ["host", "web", "autoscaler", "worker"])
def test_the_document_lists_exactly_the_rights_of_each_role(role: str) -> None:
    row = re.search(rf"^\| {role} \| (.*) \|$", section("security.md", "Who may do what"), re.MULTILINE)

    assert row
    assert set(re.findall(r"`([^`]+)`", row[1])) == rights(f"{role.capitalize()}Role")


def test_the_document_lists_exactly_the_alarms_with_what_each_means_and_what_to_do() -> None:
    alarms = {alarm["AlarmName"]["Fn::Sub"] for alarm in resources("AWS::CloudWatch::Alarm").values()}
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \| ([^|]+) \|$", section("operations.md", "Alarms"), re.MULTILINE)

    assert {f"${{NamePrefix}}-{name}" for name, _, _ in rows} == alarms


@pytest.mark.parametrize("metric", ["ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesNotVisible"])
def test_what_waits_and_what_is_in_hand_is_watched_in_both_queues(metric: str) -> None:
    alarms = [alarm for alarm in resources("AWS::CloudWatch::Alarm").values() if alarm["MetricName"] == metric]

    watched = [dimension["Value"]["Fn::GetAtt"][0] for alarm in alarms for dimension in alarm["Dimensions"]]
    assert sorted(watched) == ["Bulk", "Tasks"]


def test_who_deploys_has_rights_over_what_has_the_name_alone_where_aws_knows_names() -> None:
    policy = json.loads((UNITS.parent / "deployer.json").read_text())

    # Source: IAM user guide, quotas: a managed policy has 6,144 characters, without spaces.
    assert len(json.dumps(policy, separators=(",", ":"))) <= 6144
    for statement in policy["Statement"]:
        assert statement["Sid"] in ("Network", "Look") or statement["Resource"] != "*"
        assert not [action for action in statement["Action"] if action.endswith("*")]
