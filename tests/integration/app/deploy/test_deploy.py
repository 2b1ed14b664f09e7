"""`elastiq deploy` in an account: made once, then changed or left alone, and what a failure says."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest

from app.deploy.deploy import CONTROL, WORKERS, Wish, cost, deploy
from app.errors import ConfigurationError
from tests.support import template
from tests.support.account import IMAGE, Account
from tests.support.bundles import HERE
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("bundles")


def test_all_is_made_told_and_priced_then_left_alone_or_changed_where_asked(
    account: Account,
) -> None:
    said = account.deploy("--yes")

    assert "make 3 S3::Bucket" in said
    assert re.search(r"idle: about \$\d+\.\d\d a month", said)
    assert "Tasks create complete" in said
    assert said.splitlines()[-1] == "elastiq open leads to the page"
    outputs = account.outputs()
    stored = account.client("s3").list_objects_v2(Bucket=outputs["SoftwareBucket"])["Contents"]
    folders = sorted(item["Key"].partition("-")[0].rpartition("/")[0] for item in stored)
    assert folders == ["bundles", "bundles", "templates"]
    group = account.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert (group["MinSize"], group["DesiredCapacity"]) == (1, 1)
    assert account.stack()["StackStatus"] == "UPDATE_COMPLETE"
    template = account.outputs()["WorkerTemplate"]

    again = account.deploy("--yes")
    changed = account.deploy("--yes", "--parameter", "MaxInstances=7", "--parameter", "DiskGiB=9")

    assert "nothing to change" in again
    assert "change 2 EC2::LaunchTemplate" in changed
    assert "S3::Bucket" not in changed
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in account.stack()["Parameters"]}
    assert (parameters["MaxInstances"], parameters["HostImage"]) == ("7", "ami-0123456789abcdef0")
    (now,) = account.client("ec2").describe_launch_templates(LaunchTemplateIds=[template])["LaunchTemplates"]
    assert now["DefaultVersionNumber"] == now["LatestVersionNumber"] == 2


def test_it_asks_and_without_consent_nothing_is_there(account: Account) -> None:
    said = account.deploy(answer="n\n", status=1)

    assert "do it? [y/N]" in said
    assert account.left() == {}


def test_a_parameter_that_the_template_has_not_is_named_with_those_that_it_has(account: Account) -> None:
    said = account.deploy("--yes", "--parameter", "MaxInstance=7", status=2)

    assert "the template has no parameter MaxInstance; its parameters are AlarmEmail," in said


def test_a_value_that_makes_no_sense_is_refused_before_anything_is_made(account: Account) -> None:
    said = account.deploy("--yes", "--parameter", "MaxInstances=none", status=2)

    assert "MaxInstances" in said
    assert account.buckets() == set()


def test_a_creation_that_fails_names_the_first_resource_and_why_and_can_be_repeated(account: Account) -> None:
    place = {"LocationConstraint": "eu-central-1"}
    taken = "elastiq-software-000000000000-eu-central-1"
    account.client("s3").create_bucket(Bucket=taken, CreateBucketConfiguration=place)

    said = account.deploy("--yes", status=2)

    assert "the first to fail was Software: " in said
    assert "run the same command again" in said

    account.client("s3").delete_bucket(Bucket=taken)
    assert "the last attempt was never finished" in account.deploy("--yes")


def test_two_systems_of_two_names_stand_side_by_side(account: Account) -> None:
    account.make()
    account.deploy("--yes", "--name", "other")

    assert account.outputs()["QueueUrl"].endswith("/elastiq-tasks")
    assert account.outputs("other")["QueueUrl"].endswith("/other-tasks")


@pytest.mark.parametrize(
    ("message", "status", "words"),
    [
        ({"event": "alive", "process": "web", "reason": ""}, 0, "the page is there, on i-new"),
        (
            {"event": "host_setup_failed", "instance": "i-new", "reason": "no room"},
            2,
            "i-new could not be set up: no room",
        ),
    ],
)
def test_it_waits_until_a_new_host_says_that_the_page_is_there_or_why_it_is_not(
    account: Account, message: dict[str, str], status: int, words: str
) -> None:
    def host() -> None:
        logs = account.client("logs")
        wait_for(lambda: logs.describe_log_groups(logGroupNamePrefix="/elastiq/")["logGroups"], 120)
        wait_for(lambda: account.stack()["StackStatus"] == "UPDATE_COMPLETE", 120)
        logs.create_log_stream(logGroupName="/elastiq/hosts", logStreamName="i-new")
        for _ in range(2):
            time.sleep(2)
            event = {"timestamp": time.time_ns() // 1_000_000, "message": json.dumps(message)}
            logs.put_log_events(logGroupName="/elastiq/hosts", logStreamName="i-new", logEvents=[event])

    thread = threading.Thread(target=host)
    thread.start()
    said = account.deploy("--yes", "--wait", "60", status=status)
    thread.join()

    assert words in said


def test_a_change_that_is_taken_back_says_what_hosts_have_said(account: Account) -> None:
    logs, iam = account.client("logs"), account.client("iam")

    def say(line: str) -> None:
        if line.startswith("bundle of control"):  # the foundation is there; a role that is gone fails what comes
            role = "elastiq-autoscaler-eu-central-1"
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
                iam.delete_role_policy(RoleName=role, PolicyName=name)
            iam.delete_role(RoleName=role)
            logs.create_log_stream(logGroupName="/elastiq/hosts", logStreamName="i-new")
            told = json.dumps({"event": "host_setup_failed", "instance": "i-new", "reason": "no room"})
            later = {"timestamp": time.time_ns() // 1_000_000 + 60_000, "message": told}
            logs.put_log_events(logGroupName="/elastiq/hosts", logStreamName="i-new", logEvents=[later])

    wish = Wish("elastiq", dict([IMAGE.split("=")]), 0, HERE.python)

    with pytest.raises(ConfigurationError, match=r"the first to fail was .* host i-new could not be set up: no room"):
        deploy(account.settings, wish, say, lambda: True, look_s=0.2)


def test_its_words_on_cost_are_of_the_template_s_own_defaults() -> None:
    parameters = {name: str(one["Default"]) for name, one in template.load()["Parameters"].items()}

    assert cost({}) == cost(parameters)
    of = template.load()["Mappings"]["Of"]
    assert {name: one["Control"] for name, one in of.items()} == CONTROL
    assert {name: one["Types"].split(",")[0] for name, one in of.items()} == WORKERS


def test_a_type_without_a_price_costs_what_is_not_known_and_stops_nothing() -> None:
    assert cost({"InstanceTypes": "x99.huge"}) == [
        "its cost is not known: app/prices.json has no price of x99.huge; add it there"
    ]
