"""Instances that others start and stop, known by what their workers say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.announcements import Announcement, Said, WorkerHeartbeat, WorkerOffline, WorkerOnline
from app.domain import Instance, InstanceState, QueueDepth
from app.errors import ConfigurationError, TransientError
from autoscaler.fleet.watched import WatchedFleet
from autoscaler.listen import Hearing
from autoscaler.memory.estimate import Estimator
from autoscaler.policy.deadline import SILENT_S

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
ONLINE, HEARTBEAT, OFFLINE = WorkerOnline(0, 0), WorkerHeartbeat(0, 0), WorkerOffline(0, 0)


class Watch:
    """A `WatchedFleet`, what it hears, and the time, which the test moves."""

    def __init__(self) -> None:
        self.now = START
        self.hearing = Hearing(full=8, clock=lambda: self.now)
        self.hearing.begin()
        self.fleet = WatchedFleet(self.hearing, clock=lambda: self.now)

    def after(self, seconds: float, *said: tuple[str, Announcement]) -> list[Instance]:
        """Hear ``(instance, what)`` so many seconds after the start, and return who is there then."""
        self.now = START + timedelta(seconds=seconds)
        for instance, what in said:
            self.hearing.hear(Said(what, f"{instance}@host", self.now.timestamp()))
        return self.fleet.instances()

    def echo(self, seconds: float) -> list[Instance]:
        """Hear the own events alone, and return who is there then."""
        self.now = START + timedelta(seconds=seconds)
        self.hearing.hear(Said(None, "leader", self.now.timestamp()))
        return self.fleet.instances()


@pytest.fixture
def watch() -> Watch:
    return Watch()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_worker_that_is_heard_is_an_instance_launched_when_it_was_first_heard(watch: Watch) -> None:
    watch.after(3, ("one", ONLINE))
    assert watch.after(9, ("one", HEARTBEAT)) == [Instance("one", InstanceState.RUNNING, at(3), at(9))]


def test_the_oldest_comes_first(watch: Watch) -> None:
    watch.after(3, ("z", ONLINE))
    assert [one.id for one in watch.after(9, ("a", ONLINE), ("z", HEARTBEAT))] == ["z", "a"]


def test_looking_leaves_the_heartbeats_to_the_observer(watch: Watch) -> None:
    watch.after(3, ("one", HEARTBEAT))
    assert len(watch.hearing.take().heartbeats) == 1


def test_a_worker_that_is_silent_is_there_for_half_a_minute_and_no_longer(watch: Watch) -> None:
    watch.after(3, ("one", HEARTBEAT))
    assert [one.heard_at for one in watch.echo(3 + SILENT_S)] == [at(3)]
    assert watch.echo(4 + SILENT_S) == []


def test_a_worker_that_said_goodbye_drains_until_it_is_silent(watch: Watch) -> None:
    watch.after(3, ("one", ONLINE))
    assert [one.state for one in watch.after(9, ("one", OFFLINE))] == [InstanceState.DRAINING]
    assert watch.echo(10 + SILENT_S) == []


def test_one_that_comes_anew_under_its_name_begins_anew(watch: Watch) -> None:
    watch.after(3, ("one", ONLINE))
    watch.after(9, ("one", OFFLINE))
    assert watch.after(12, ("one", ONLINE)) == [Instance("one", InstanceState.RUNNING, at(12), at(12))]


def test_where_nothing_at_all_is_heard_the_fleet_is_unknown_and_not_empty(watch: Watch) -> None:
    assert watch.fleet.instances() == []
    watch.after(3, ("one", HEARTBEAT))
    watch.now = at(4 + SILENT_S)
    with pytest.raises(TransientError, match="nobody knows which workers there are"):
        watch.fleet.instances()


@pytest.mark.parametrize(
    "act",
    [
        lambda fleet: fleet.launch(1, "token"),
        lambda fleet: fleet.drain(["one"]),
        lambda fleet: fleet.terminate(["one"]),
    ],
    ids=["launch", "drain", "terminate"],
)
def test_it_starts_and_stops_nothing(watch: Watch, act: Callable[[WatchedFleet], object]) -> None:
    with pytest.raises(ConfigurationError, match="ELASTIQ_WATCH_ONLY=1"):
        act(watch.fleet)


def test_the_first_word_of_a_worker_teaches_no_boot_time(watch: Watch) -> None:
    estimator = Estimator(START)
    for seconds in (3, 5, 7):
        fleet = tuple(watch.after(seconds, ("one", HEARTBEAT)))
        assert estimator.see(watch.now, QueueDepth(0, 0, 0), fleet).boot_s is None
