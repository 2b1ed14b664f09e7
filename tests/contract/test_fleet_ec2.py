"""What EC2 does on bad days, and what the fleet makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app import aws
from app.errors import ConfigurationError, TransientError
from app.settings import Settings
from autoscaler.ec2 import FLEET_TAG, LEDGER, Ec2Fleet
from autoscaler.fleet import NoRoom
from tests.contract.ec2_server import Ec2Server, nobody


@pytest.fixture
def fleet(ec2_settings: Settings) -> Ec2Fleet:
    return Ec2Fleet(ec2_settings, nobody)


def subnets(settings: Settings) -> list[str]:
    return settings.subnets.split(",")


def test_it_is_tagged_in_the_launch_call_and_terminates_when_it_shuts_itself_down(
    fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings
) -> None:
    (instance,) = fleet.launch(1, "first")
    assert [call["Action"] for call in ec2.calls if call["Action"] in ("RunInstances", "CreateTags")] == [
        "RunInstances"
    ]
    client = aws.client("ec2", ec2_settings)
    (found,) = client.describe_instances(InstanceIds=[instance.id])["Reservations"][0]["Instances"]
    assert {"Key": FLEET_TAG, "Value": ec2_settings.fleet_name} in found["Tags"]
    shutdown = client.describe_instance_attribute(InstanceId=instance.id, Attribute="instanceInitiatedShutdownBehavior")
    assert shutdown["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"


def test_instances_of_another_fleet_are_not_seen(fleet: Ec2Fleet, ec2_settings: Settings) -> None:
    Ec2Fleet(replace(ec2_settings, fleet_name="other"), nobody).launch(1, "first")
    assert fleet.instances() == []


def test_a_subnet_without_room_for_all_leaves_the_rest_to_the_next(
    fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings
) -> None:
    first, second, *_ = subnets(ec2_settings)
    ec2.room = {first: 2}
    assert len(fleet.launch(5, "first")) == 5
    asked = [(call["SubnetId"], call["MaxCount"], call["MinCount"]) for call in ec2.calls_of("RunInstances")]
    assert asked == [(first, "5", "1"), (second, "3", "1")]


def test_a_subnet_without_room_for_any_is_passed_over(fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings) -> None:
    first, second, *_ = subnets(ec2_settings)
    ec2.room = {first: 0}
    assert len(fleet.launch(2, "first")) == 2
    assert [call["SubnetId"] for call in ec2.calls_of("RunInstances")] == [first, second]


def test_fewer_instances_than_asked_for_are_better_than_none(
    fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings
) -> None:
    ec2.room = {**dict.fromkeys(subnets(ec2_settings), 0), subnets(ec2_settings)[1]: 1}
    assert len(fleet.launch(5, "first")) == 1


def test_no_room_anywhere_is_said_with_what_would_help(fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings) -> None:
    ec2.room = dict.fromkeys(subnets(ec2_settings), 0)
    with pytest.raises(NoRoom, match="ELASTIQ_SUBNETS"):
        fleet.launch(5, "first")


def test_an_answer_lost_after_the_launch_happened_launches_nothing_twice(fleet: Ec2Fleet, ec2: Ec2Server) -> None:
    ec2.faults["RunInstances"] = ["lost", "lost"]
    with pytest.raises(TransientError):
        fleet.launch(3, "first")
    assert len(fleet.instances()) == 3
    launched = fleet.launch(3, "first")
    assert sorted(instance.id for instance in launched) == sorted(instance.id for instance in fleet.instances())
    assert len({call["ClientToken"] for call in ec2.calls_of("RunInstances")}) == 1


def test_an_answer_lost_in_the_second_subnet_is_asked_for_again_there(
    fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings
) -> None:
    first, second, *_ = subnets(ec2_settings)
    ec2.room = {first: 0}
    ec2.faults["RunInstances"] = ["", "lost", "lost"]
    with pytest.raises(TransientError):
        fleet.launch(3, "first")
    ec2.room[first] = 10
    assert len(fleet.launch(3, "first")) == 3
    assert len(fleet.instances()) == 3
    assert ec2.calls_of("RunInstances")[-1]["SubnetId"] == second


@pytest.mark.parametrize("fault", ["RequestLimitExceeded", "500"])
def test_a_throttled_or_failing_launch_may_be_tried_again(fleet: Ec2Fleet, ec2: Ec2Server, fault: str) -> None:
    ec2.faults["RunInstances"] = [fault, fault]
    with pytest.raises(TransientError) as raised:
        fleet.launch(2, "first")
    assert not isinstance(raised.value, NoRoom)
    assert len(fleet.launch(2, "first")) == 2


@pytest.mark.parametrize("fault", ["RequestLimitExceeded", "500", "lost"])
def test_a_failed_describe_is_an_error_and_never_an_empty_fleet(fleet: Ec2Fleet, ec2: Ec2Server, fault: str) -> None:
    fleet.launch(2, "first")
    ec2.faults["DescribeInstances"] = [fault, fault]
    with pytest.raises(TransientError):
        fleet.instances()
    assert len(fleet.instances()) == 2


@pytest.mark.parametrize("fault", ["UnauthorizedOperation", "InvalidLaunchTemplateName.NotFoundException"])
def test_a_refusal_that_no_retry_mends_says_what_to_check(fleet: Ec2Fleet, ec2: Ec2Server, fault: str) -> None:
    ec2.faults["RunInstances"] = [fault]
    with pytest.raises(ConfigurationError, match=f"{fault}.*ELASTIQ_LAUNCH_TEMPLATE"):
        fleet.launch(1, "first")


def test_an_instance_counts_from_its_launch_even_while_it_is_not_listed_yet(fleet: Ec2Fleet, ec2: Ec2Server) -> None:
    launched = fleet.launch(2, "first")
    ec2.unlisted = 3
    for _ in range(4):
        assert {instance.id for instance in fleet.instances()} == {instance.id for instance in launched}


def test_an_instance_that_is_never_listed_stops_counting_in_the_end(ec2_settings: Settings, ec2: Ec2Server) -> None:
    later = datetime.now(UTC) + LEDGER + timedelta(seconds=10)
    fleet = Ec2Fleet(ec2_settings, nobody, clock=lambda: later)
    fleet.launch(2, "first")
    ec2.unlisted = 1
    assert fleet.instances() == []


def test_an_instance_that_ended_before_it_was_ever_seen_running_does_not_count(
    fleet: Ec2Fleet, ec2_settings: Settings
) -> None:
    (instance,) = fleet.launch(1, "first")
    aws.client("ec2", ec2_settings).terminate_instances(InstanceIds=[instance.id])
    assert fleet.instances() == []


def test_an_instance_launched_a_moment_ago_can_be_drained_before_it_is_listed(fleet: Ec2Fleet, ec2: Ec2Server) -> None:
    one, two = fleet.launch(2, "first")
    ec2.unlisted = 1
    fleet.drain([one.id])
    assert {instance.id: instance.state.value for instance in fleet.instances()} == {
        one.id: "draining",
        two.id: "pending",
    }
