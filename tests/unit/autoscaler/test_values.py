"""What an observation tells of its instances, by itself."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.values import Estimates, Heard, Observation, ScalingDecision

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def seen(*fleet: Instance, heard: Heard | None = None) -> Observation:
    return Observation(
        at=NOW, depth=QueueDepth(0, 0), counted_at=NOW, fleet=fleet, listed_at=NOW, heard=heard or Heard()
    )


def instance(launched_s_ago: float, heard_s_ago: float | None = None) -> Instance:
    heard_at = None if heard_s_ago is None else ago(heard_s_ago)
    return Instance("one", InstanceState.RUNNING, ago(launched_s_ago), heard_at)


def test_an_observation_is_built_by_name_and_knows_nothing_of_the_past_unless_told() -> None:
    with pytest.raises(TypeError):
        Observation(NOW, QueueDepth(0, 0), NOW, (), NOW)  # type: ignore[misc]
    with pytest.raises(TypeError):
        ScalingDecision(1, 1, "why")  # type: ignore[misc]
    bare = seen()
    assert (bare.estimates, bare.heard, bare.failed_boots, bare.refusal) == (Estimates(), Heard(), None, None)


def test_an_observation_stays_as_it_was() -> None:
    with pytest.raises(FrozenInstanceError):
        seen().estimates.boot_s = 3.0  # type: ignore[misc]


def test_alive_are_those_that_take_work_or_soon_will() -> None:
    fleet = [Instance(state, state, NOW) for state in InstanceState]
    assert [one.id for one in seen(*fleet).alive] == ["pending", "running"]


def test_the_age_of_a_time_is_in_seconds() -> None:
    assert seen().age_s(ago(1.5)) == 1.5


@pytest.mark.parametrize(
    ("since_s_ago", "one", "unheard_s"),
    [
        (None, instance(launched_s_ago=500), 0),
        (900, instance(launched_s_ago=500), 500),
        (900, instance(launched_s_ago=500, heard_s_ago=20), 20),
        (10, instance(launched_s_ago=500, heard_s_ago=20), 10),
    ],
    ids=["nobody listens", "never heard", "heard", "heard before one listened"],
)
def test_an_instance_is_silent_for_as_long_as_it_could_have_been_heard(
    since_s_ago: float | None, one: Instance, unheard_s: float
) -> None:
    since = None if since_s_ago is None else ago(since_s_ago)
    assert seen(one, heard=Heard(since=since)).unheard_s(one) == unheard_s


@pytest.mark.parametrize(
    ("heard", "means_something"),
    [
        (Heard(since=ago(900), at=ago(30), worker_at=ago(500)), True),
        (Heard(since=None, at=ago(30), worker_at=ago(500)), False),
        (Heard(since=ago(900), at=None, worker_at=ago(500)), False),
        (Heard(since=ago(900), at=ago(31), worker_at=ago(500)), False),
        (Heard(since=ago(900), at=ago(30), worker_at=None), False),
        (Heard(since=ago(900), at=ago(30), worker_at=ago(501)), False),
    ],
)
def test_silence_means_something_where_what_workers_say_arrives(heard: Heard, means_something: bool) -> None:
    one = instance(launched_s_ago=500)
    assert seen(one, heard=heard).would_hear(one, within_s=30) == means_something
