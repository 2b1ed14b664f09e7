"""What every fleet promises, held against worker processes on this machine and against EC2."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState
from app.settings import Settings
from autoscaler.fleet import Fleet, make_fleet
from tests.contract.ec2_server import nobody
from tests.support.waiting import wait_for

# EC2 tells launch times in whole seconds.
RESOLUTION = timedelta(seconds=1)
ALIVE = (InstanceState.PENDING, InstanceState.RUNNING)


@pytest.fixture(params=["local", "ec2"])
def settings(request: pytest.FixtureRequest) -> Settings:
    fixture = "config" if request.param == "local" else "ec2_settings"
    found: Settings = request.getfixturevalue(fixture)
    if request.param == "local":
        for name, value in request.getfixturevalue("environment").items():
            request.getfixturevalue("monkeypatch").setenv(name, value)
    return found


@pytest.fixture
def fleet(settings: Settings) -> Iterator[Fleet]:
    fleet = make_fleet(settings, nobody)
    yield fleet
    fleet.terminate([instance.id for instance in fleet.instances()])
    wait_for(lambda: not fleet.instances())


def ids(instances: list[Instance]) -> set[str]:
    return {instance.id for instance in instances}


def test_what_is_launched_is_listed_at_once_and_alive(fleet: Fleet) -> None:
    before = datetime.now(UTC) - RESOLUTION
    launched = fleet.launch(2, "first")
    assert len(ids(launched)) == 2
    assert ids(fleet.instances()) == ids(launched)
    for instance in fleet.instances():
        assert instance.state in ALIVE
        assert before <= instance.launched_at <= datetime.now(UTC) + RESOLUTION


def test_the_same_token_launches_nothing_twice(fleet: Fleet) -> None:
    launched = fleet.launch(2, "first")
    assert ids(fleet.launch(2, "first")) == ids(launched)
    assert len(fleet.instances()) == 2
    assert ids(fleet.launch(1, "second")).isdisjoint(ids(launched))
    assert len(fleet.instances()) == 3


def test_one_who_restarts_finds_the_instances_that_were_there(fleet: Fleet, settings: Settings) -> None:
    launched = fleet.launch(2, "first")
    assert ids(make_fleet(settings, nobody).instances()) == ids(launched)


def test_a_terminated_instance_is_gone_and_its_neighbours_are_not(fleet: Fleet) -> None:
    one, two = fleet.launch(2, "first")
    fleet.terminate([one.id])
    wait_for(lambda: ids(fleet.instances()) == {two.id})


def test_an_instance_asked_to_drain_is_listed_as_draining_while_it_lasts(fleet: Fleet) -> None:
    one, two = fleet.launch(2, "first")
    fleet.drain([one.id])
    states = {instance.id: instance.state for instance in fleet.instances()}
    assert states.get(one.id, InstanceState.DRAINING) is InstanceState.DRAINING
    assert states[two.id] in ALIVE


def test_an_instance_that_has_gone_does_not_keep_the_others_from_what_is_asked(fleet: Fleet) -> None:
    one, two = fleet.launch(2, "first")
    gone = "i-0123456789abcdef0"
    fleet.drain([gone, one.id])
    assert {instance.id for instance in fleet.instances() if instance.state in ALIVE} == {two.id}
    fleet.terminate([two.id, gone])
    wait_for(lambda: two.id not in ids(fleet.instances()))


def test_asking_for_nothing_does_nothing(fleet: Fleet) -> None:
    launched = fleet.launch(1, "first")
    fleet.drain([])
    fleet.terminate([])
    assert {instance.state for instance in fleet.instances()} <= set(ALIVE)
    assert ids(fleet.instances()) == ids(launched)
