"""When instances were launched, by one's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.domain import Instance, InstanceState
from autoscaler.memory.launches import Launches

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def listed(launched_s: float) -> Instance:
    return Instance("one", InstanceState.RUNNING, at(launched_s))


def test_ones_own_launch_is_dated_by_ones_own_clock_whatever_ec2_says() -> None:
    launches = Launches()
    launches.launched([listed(120)], at(3))
    assert [launches.dated([listed(ec2_s)], at(10))[0].launched_at for ec2_s in (120, -500)] == [at(3), at(3)]


def test_another_s_launch_is_taken_at_its_word_but_never_lies_in_the_future() -> None:
    assert Launches().dated([listed(-60)], at(10))[0].launched_at == at(-60)
    launches = Launches()
    assert [launches.dated([listed(120)], at(now_s))[0].launched_at for now_s in (10, 50, 200)] == [at(10)] * 3


def test_an_instance_that_was_not_seen_for_an_hour_is_forgotten() -> None:
    launches = Launches()
    launches.launched([listed(0)], at(3))
    launches.dated([], at(3000))
    assert launches.dated([listed(120)], at(3500))[0].launched_at == at(3)
    launches.dated([], at(8000))
    assert launches.dated([listed(120)], at(9000))[0].launched_at == at(120)
