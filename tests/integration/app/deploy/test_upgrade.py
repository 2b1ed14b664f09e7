"""Workers of an older version give way, half of them first; those of the new one, and of others, stay."""

from __future__ import annotations

from typing import Any

import pytest

from app.deploy.upgrade import DRAIN_TAG, FLEET_TAG, VERSION_TAG, replace_workers
from autoscaler.fleet import ec2 as fleet
from tests.support.account import Account


@pytest.fixture
def ec2(account: Account) -> Any:
    return account.client("ec2")


@pytest.fixture
def template(ec2: Any) -> str:
    """A launch template whose default version is 2."""
    made = ec2.create_launch_template(LaunchTemplateName="e-worker", LaunchTemplateData={"ImageId": "ami-1"})
    id = str(made["LaunchTemplate"]["LaunchTemplateId"])
    ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData={"ImageId": "ami-2"})
    ec2.modify_launch_template(LaunchTemplateId=id, DefaultVersion="2")
    return id


def worker(ec2: Any, version: str, name: str = "e") -> str:
    """Launch an instance, with the tag that EC2 would set by itself."""
    tags = [{"Key": FLEET_TAG, "Value": name}, {"Key": VERSION_TAG, "Value": version}]
    ours = [{"ResourceType": "instance", "Tags": tags}]
    answer = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, TagSpecifications=ours)
    return str(answer["Instances"][0]["InstanceId"])


def asked(ec2: Any) -> set[str]:
    """Return the instances that are asked to leave."""
    found = ec2.describe_instances(Filters=[{"Name": "tag-key", "Values": [DRAIN_TAG]}])["Reservations"]
    return {one["InstanceId"] for group in found for one in group["Instances"]}


def test_only_workers_of_this_fleet_and_an_older_version_are_asked(account: Account, ec2: Any, template: str) -> None:
    old = {worker(ec2, "1"), worker(ec2, "1")}
    worker(ec2, "2")
    worker(ec2, "1", name="other")

    replace_workers(account.settings, "e", template, 0, 0.1, lambda line: None)

    assert asked(ec2) == old


def test_the_first_half_is_waited_for_before_the_others_are_asked(account: Account, ec2: Any, template: str) -> None:
    old = {worker(ec2, "1") for _ in range(3)}
    told: list[tuple[str, int]] = []

    def say(line: str) -> None:
        told.append((line, len(asked(ec2))))
        if len(told) == 1:
            ec2.terminate_instances(InstanceIds=sorted(asked(ec2)))

    replace_workers(account.settings, "e", template, 60, 0.1, say)

    assert told[0] == ("2 of 3 workers of an older version are asked to leave", 2)
    assert told[1][0] == "the others are asked too"
    assert asked(ec2) == old


def test_with_none_of_an_older_version_nothing_is_said(account: Account, ec2: Any, template: str) -> None:
    worker(ec2, "2")
    told: list[str] = []

    replace_workers(account.settings, "e", template, 60, 0.1, told.append)

    assert told == []


def test_the_tag_is_the_autoscaler_s() -> None:
    assert fleet.FLEET_TAG == FLEET_TAG
