"""What EC2 does on bad days, and what the fleet makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app import aws
from app.domain import FLEET_TAG, InstanceState
from app.errors import ConfigurationError, TransientError
from app.settings import Settings
from autoscaler.announce import Announcer
from autoscaler.fleet import NoRoom, NotLaunched
from autoscaler.fleet.ec2 import BARRED, LEDGER, Ec2Fleet
from autoscaler.listen import Hearing, Listener
from tasks.celery import make_app
from tests.contract.ec2_server import Ec2Server, nobody
from tests.support.autoscaler import worker
from tests.support.waiting import wait_for


def changed(settings: Settings, **ec2: Any) -> Settings:
    return replace(settings, ec2=replace(settings.ec2, **ec2))


@pytest.fixture
def fleet(ec2_settings: Settings) -> Ec2Fleet:
    return Ec2Fleet(ec2_settings, nobody)


def subnets(settings: Settings) -> list[str]:
    return settings.ec2.subnets.split(",")


def test_it_is_tagged_in_the_launch_call_and_terminates_when_it_shuts_itself_down(
    fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings
) -> None:
    (instance,) = fleet.launch(1, "first")
    assert [call["Action"] for call in ec2.calls if call["Action"] in ("RunInstances", "CreateTags")] == [
        "RunInstances"
    ]
    client = aws.client("ec2", ec2_settings.aws)
    (found,) = client.describe_instances(InstanceIds=[instance.id])["Reservations"][0]["Instances"]
    assert {"Key": FLEET_TAG, "Value": ec2_settings.ec2.fleet} in found["Tags"]
    shutdown = client.describe_instance_attribute(InstanceId=instance.id, Attribute="instanceInitiatedShutdownBehavior")
    assert shutdown["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"


def test_instances_of_another_fleet_are_not_seen(fleet: Ec2Fleet, ec2_settings: Settings) -> None:
    Ec2Fleet(changed(ec2_settings, fleet="other"), nobody).launch(1, "first")
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


def test_a_failing_launch_may_be_tried_again_under_its_token(fleet: Ec2Fleet, ec2: Ec2Server) -> None:
    ec2.faults["RunInstances"] = ["500", "500"]
    with pytest.raises(TransientError) as raised:
        fleet.launch(2, "first")
    assert not isinstance(raised.value, NotLaunched)
    assert len(fleet.launch(2, "first")) == 2


@pytest.mark.parametrize("fault", ["RequestLimitExceeded", "PendingVerification", "Blocked", "ExpiredToken"])
def test_what_no_place_will_do_is_asked_of_one_place_alone(fleet: Ec2Fleet, ec2: Ec2Server, fault: str) -> None:
    ec2.faults["RunInstances"] = [fault, fault]
    with pytest.raises(NotLaunched, match=fault):
        fleet.launch(2, "first")
    assert len({call["SubnetId"] for call in ec2.calls_of("RunInstances")}) == 1
    ec2.faults.clear()
    assert len(fleet.launch(2, "second")) == 2


@pytest.mark.parametrize("fault", ["InvalidSubnetID.NotFound", "Unsupported", "InvalidParameterValue", "NeverHeardOf"])
def test_a_place_that_refuses_is_passed_over_and_comes_last_for_some_minutes(
    ec2: Ec2Server, ec2_settings: Settings, fault: str
) -> None:
    now = [datetime.now(UTC)]
    fleet = Ec2Fleet(ec2_settings, nobody, clock=lambda: now[0])
    first, second, _ = subnets(ec2_settings)
    ec2.faults["RunInstances"] = [fault]
    assert len(fleet.launch(1, "first")) == 1
    fleet.launch(1, "second")
    now[0] += BARRED
    fleet.launch(1, "third")
    assert [call["SubnetId"] for call in ec2.calls_of("RunInstances")] == [first, second, second, first]


def test_a_market_that_refuses_is_passed_over_for_every_type_and_subnet(ec2: Ec2Server, ec2_settings: Settings) -> None:
    fleet = Ec2Fleet(changed(ec2_settings, spot=True, instance_types="c7i.large,c7a.large"), nobody)
    ec2.faults["RunInstances"] = ["AuthFailure.ServiceLinkedRoleCreationNotPermitted"]
    assert len(fleet.launch(1, "first")) == 1
    assert ["InstanceMarketOptions.MarketType" in call for call in ec2.calls_of("RunInstances")] == [True, False]


def test_where_all_have_refused_of_late_all_are_asked_again(
    fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings
) -> None:
    ec2.faults["RunInstances"] = ["InsufficientInstanceCapacity"] * 3
    with pytest.raises(NoRoom):
        fleet.launch(1, "first")
    assert len(fleet.launch(1, "second")) == 1


def test_fewer_that_came_before_a_refusal_of_all_places_are_better_than_an_error(
    fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings
) -> None:
    ec2.room = {subnets(ec2_settings)[0]: 1}
    ec2.faults["RunInstances"] = ["", "RequestLimitExceeded", "RequestLimitExceeded"]
    assert len(fleet.launch(3, "first")) == 1


def test_the_error_of_a_launch_names_every_reason_and_the_longest_pause(fleet: Ec2Fleet, ec2: Ec2Server) -> None:
    ec2.faults["RunInstances"] = ["InvalidSubnetID.NotFound", "UnauthorizedOperation", "OptInRequired"]
    with pytest.raises(NotLaunched) as raised:
        fleet.launch(1, "first")
    said = str(raised.value)
    assert [code in said for code in ("InvalidSubnetID.NotFound", "UnauthorizedOperation", "OptInRequired")] == [
        True
    ] * 3
    assert (raised.value.pause_s, isinstance(raised.value, NoRoom)) == (60.0, False)


@pytest.mark.parametrize("fault", ["RequestLimitExceeded", "500", "lost"])
def test_a_failed_describe_is_an_error_and_never_an_empty_fleet(fleet: Ec2Fleet, ec2: Ec2Server, fault: str) -> None:
    fleet.launch(2, "first")
    ec2.faults["DescribeInstances"] = [fault, fault]
    with pytest.raises(TransientError):
        fleet.instances()
    assert len(fleet.instances()) == 2


@pytest.mark.parametrize("fault", ["UnauthorizedOperation", "InvalidLaunchTemplateName.NotFoundException"])
def test_a_refusal_that_no_retry_mends_says_what_to_check(fleet: Ec2Fleet, ec2: Ec2Server, fault: str) -> None:
    ec2.faults["RunInstances"] = [fault] * 3
    with pytest.raises(NotLaunched, match=f"{fault}.*ELASTIQ_LAUNCH_TEMPLATE"):
        fleet.launch(1, "first")


def test_an_instance_counts_from_its_launch_even_while_it_is_not_listed_yet(fleet: Ec2Fleet, ec2: Ec2Server) -> None:
    launched = fleet.launch(2, "first")
    ec2.unlisted = 3
    for _ in range(4):
        assert {instance.id for instance in fleet.instances()} == {instance.id for instance in launched}


@pytest.mark.parametrize("listed", [False, True], ids=["never", "once"])
def test_an_instance_that_is_listed_no_more_counts_for_five_minutes(
    ec2_settings: Settings, ec2: Ec2Server, listed: bool
) -> None:
    now = [datetime.now(UTC)]
    fleet = Ec2Fleet(ec2_settings, nobody, clock=lambda: now[0])
    fleet.launch(2, "first")
    if listed:
        assert len(fleet.instances()) == 2
    ec2.unlisted = 2
    now[0] += LEDGER - timedelta(seconds=1)
    assert len(fleet.instances()) == 2
    now[0] += timedelta(seconds=2)
    assert fleet.instances() == []


def test_an_instance_that_may_not_be_terminated_still_counts(fleet: Ec2Fleet, ec2: Ec2Server) -> None:
    (instance,) = fleet.launch(1, "first")
    ec2.faults["TerminateInstances"] = ["UnauthorizedOperation"]
    with pytest.raises(ConfigurationError, match="terminating"):
        fleet.terminate([instance.id])
    assert [one.id for one in fleet.instances()] == [instance.id]


def test_where_the_tag_cannot_be_set_the_worker_is_told_all_the_same(ec2: Ec2Server, ec2_settings: Settings) -> None:
    told: list[list[str]] = []
    fleet = Ec2Fleet(ec2_settings, told.append)
    one, two = fleet.launch(2, "first")
    ec2.faults["CreateTags"] = ["UnauthorizedOperation"]
    with pytest.raises(ConfigurationError, match="tagging"):
        fleet.drain([one.id])
    assert told == [[one.id]]
    states = {instance.id: instance.state for instance in fleet.instances()}
    assert (states[one.id], states[two.id] is InstanceState.DRAINING) == (InstanceState.DRAINING, False)


def test_an_instance_that_ended_before_it_was_ever_seen_running_does_not_count(
    fleet: Ec2Fleet, ec2_settings: Settings
) -> None:
    (instance,) = fleet.launch(1, "first")
    aws.client("ec2", ec2_settings.aws).terminate_instances(InstanceIds=[instance.id])
    assert fleet.instances() == []


def test_an_instance_launched_a_moment_ago_can_be_drained_before_it_is_listed(fleet: Ec2Fleet, ec2: Ec2Server) -> None:
    one, two = fleet.launch(2, "first")
    ec2.unlisted = 1
    fleet.drain([one.id])
    assert {instance.id: instance.state.value for instance in fleet.instances()} == {
        one.id: "draining",
        two.id: "pending",
    }


@pytest.mark.slow
def test_a_worker_is_told_to_drain_by_remote_control_and_its_instance_has_the_tag(
    ec2_settings: Settings, config: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    app = make_app(config)
    hearing = Hearing(config.worker.concurrency, lambda: datetime.now(UTC))
    listener, announcer = Listener(app, hearing), Announcer(app, "autoscaler")
    listener.start()
    fleet = Ec2Fleet(ec2_settings, lambda ids: announcer.ask_to_leave(hearing.nodes(ids)))
    leaving, staying = fleet.launch(2, "first")
    log = tmp_path / "worker.log"
    with worker(environment, leaving.id, log) as one, worker(environment, staying.id, tmp_path / "other.log") as other:
        wait_for(lambda: len(hearing.nodes([leaving.id, staying.id])) == 2, what=log.read_text)
        fleet.drain([leaving.id])
        wait_for(lambda: one.poll() is not None, what=log.read_text)
        wait_for(lambda: hearing.take().voices[leaving.id].leaving)
        assert other.poll() is None
    listener.stop()
    states = {instance.id: instance.state for instance in Ec2Fleet(ec2_settings, nobody).instances()}
    assert states[leaving.id] is InstanceState.DRAINING
    assert states[staying.id] is not InstanceState.DRAINING
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("fault", ["InsufficientInstanceCapacity", "MaxSpotInstanceCountExceeded"])
def test_where_there_is_no_spot_instance_it_comes_on_demand(ec2: Ec2Server, ec2_settings: Settings, fault: str) -> None:
    spot = changed(ec2_settings, spot=True, subnets=subnets(ec2_settings)[0])
    ec2.faults["RunInstances"] = [fault]
    assert len(Ec2Fleet(spot, nobody).launch(2, "first")) == 2
    first, second = ec2.calls_of("RunInstances")
    assert first["InstanceMarketOptions.MarketType"] == "spot"
    assert first["InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior"] == "terminate"
    assert "InstanceMarketOptions.MarketType" not in second
    assert first["ClientToken"] != second["ClientToken"]


def test_without_the_setting_no_spot_instance_is_asked_for(fleet: Ec2Fleet, ec2: Ec2Server) -> None:
    fleet.launch(1, "first")
    assert not any("InstanceMarketOptions.MarketType" in call for call in ec2.calls_of("RunInstances"))


def test_the_next_instance_type_is_asked_for_where_no_zone_has_room_for_the_first(
    ec2: Ec2Server, ec2_settings: Settings
) -> None:
    types = changed(ec2_settings, instance_types="c7i.large, c7a.large", spot=True)
    ec2.faults["RunInstances"] = ["InsufficientInstanceCapacity"] * 4
    assert len(Ec2Fleet(types, nobody).launch(1, "first")) == 1
    asked = [(call["InstanceType"], call["SubnetId"]) for call in ec2.calls_of("RunInstances")]
    one, two, three = subnets(ec2_settings)
    assert asked == [
        ("c7i.large", one),
        ("c7i.large", two),
        ("c7i.large", three),
        ("c7a.large", one),
        ("c7a.large", two),
    ]


@pytest.mark.parametrize("fault", ["VcpuLimitExceeded", "InstanceLimitExceeded"])
def test_a_quota_that_is_used_up_is_no_room_and_not_tried_at_every_step(
    fleet: Ec2Fleet, ec2: Ec2Server, fault: str
) -> None:
    ec2.faults["RunInstances"] = [fault] * 3
    with pytest.raises(NoRoom, match="quotas"):
        fleet.launch(1, "first")


def test_an_answer_lost_for_a_spot_instance_launches_none_on_demand_beside_it(
    ec2: Ec2Server, ec2_settings: Settings
) -> None:
    fleet = Ec2Fleet(changed(ec2_settings, spot=True), nobody)
    ec2.faults["RunInstances"] = ["lost", "lost"]
    with pytest.raises(TransientError):
        fleet.launch(3, "first")
    assert len(fleet.launch(3, "first")) == 3
    assert len(fleet.instances()) == 3
    assert all("InstanceMarketOptions.MarketType" in call for call in ec2.calls_of("RunInstances"))


def test_instances_of_an_older_version_of_the_template_are_outdated(
    fleet: Ec2Fleet, ec2: Ec2Server, ec2_settings: Settings
) -> None:
    (first,) = fleet.launch(1, "first")
    client = aws.client("ec2", ec2_settings.aws)
    client.create_launch_template_version(
        LaunchTemplateName=ec2_settings.ec2.launch_template,
        SourceVersion="1",
        LaunchTemplateData={"InstanceType": "c6i.large"},
    )

    newer = Ec2Fleet(changed(ec2_settings, launch_template_version="2"), nobody)
    (second,) = newer.launch(1, "second")

    assert {found.id: found.outdated for found in newer.instances()} == {first.id: True, second.id: False}
    assert ec2.calls_of("RunInstances")[-1]["LaunchTemplate.Version"] == "2"
    assert not any(found.outdated for found in fleet.instances()), "it has no version of its own to compare with"
