"""Telling instances that came to work from those that did not, and the breaker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.memory.boots import FAILURES, LONG_ENOUGH_S, PROBE_LIMITS, Boots, shortest_life_s
from autoscaler.values import FailedBoots, Heard, Heartbeat, Voice

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMIT_S = 300.0
ONE = QueueDepth(1, 0)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def instance(
    id: str, launched_s: float = 0, heard_s: float | None = None, state: InstanceState = InstanceState.RUNNING
) -> Instance:
    return Instance(id, state, at(launched_s), None if heard_s is None else at(heard_s))


class Looking:
    """Boots, and what they are told; one image waits unless told otherwise."""

    def __init__(self, leaves: bool = True, listens: bool = True) -> None:
        self.boots = Boots(shortest_life_s=30, boot_limit_s=LIMIT_S, leaves=leaves)
        self.heard = Heard(since=START if listens else None)

    def look(
        self,
        now_s: float,
        *fleet: Instance,
        depth: QueueDepth = ONE,
        worked: tuple[str, ...] = (),
        boot_s: float | None = None,
    ) -> FailedBoots | None:
        beats = tuple(Heartbeat(id, at(now_s), 1, full=False) for id in worked)
        heard_at = max((one.heard_at for one in fleet if one.heard_at), default=self.heard.worker_at)
        self.heard = replace(self.heard, heartbeats=beats, worker_at=heard_at)
        self.boots.see(fleet, at(now_s), depth, self.heard, boot_s)
        return self.boots.failed


def test_instances_that_end_without_having_been_heard_have_failed_however_long_they_lived() -> None:
    looking = Looking()
    looking.look(1, instance("a"), instance("b"))
    gone = looking.boots.see((), at(250), QueueDepth(1, 0), looking.heard)
    assert {one.id for one in gone} == {"a", "b"}
    assert looking.boots.failed == FailedBoots(in_a_row=2, last_at=at(250))


def test_an_instance_that_ends_before_it_is_ever_seen_has_failed() -> None:
    looking = Looking()
    looking.look(0)
    looking.boots.launched([instance("a")])
    assert looking.look(2) == FailedBoots(in_a_row=1, last_at=at(2))


def test_an_instance_that_was_heard_and_ended_at_once_with_nothing_done_has_failed() -> None:
    looking = Looking()
    looking.look(30, instance("a", heard_s=30))
    looking.look(38, instance("a", heard_s=38))
    assert looking.look(40) == FailedBoots(in_a_row=1, last_at=at(40))


@pytest.mark.parametrize(
    ("last", "worked"),
    [
        (instance("a", heard_s=32), ("a",)),
        (instance("a", heard_s=46), ()),
        (instance("a", heard_s=32, state=InstanceState.DRAINING), ()),
    ],
    ids=["it did an image", "it stayed for a while", "it said goodbye"],
)
def test_an_instance_that_proved_itself_has_not_failed_and_ends_the_row(
    last: Instance, worked: tuple[str, ...]
) -> None:
    looking = Looking()
    looking.look(1, instance("b"), instance("a"))
    assert looking.look(31, instance("a", heard_s=31)) == FailedBoots(1, at(31))
    assert looking.look(46, last, worked=worked) is None
    assert looking.look(48) is None


def test_a_goodbye_that_came_with_the_end_counts() -> None:
    looking = Looking()
    looking.look(31, instance("a", heard_s=31))
    voice = Voice("a@host", at(31), at(32), 0, leaving=True)
    looking.heard = replace(looking.heard, voices={"a": voice})
    assert looking.look(33) is None


def test_an_instance_that_was_asked_to_leave_before_it_was_heard_has_not_failed() -> None:
    looking = Looking()
    looking.look(1, instance("a", state=InstanceState.DRAINING))
    assert looking.look(2) is None


def test_old_instances_that_go_on_prove_nothing_of_the_new_ones() -> None:
    looking = Looking()
    old = instance("old", heard_s=0)
    looking.look(0, old, worked=("old",))
    for n in range(4):
        looking.look(10 * n, replace(old, heard_at=at(10 * n)), instance(f"new-{n}", 10 * n), worked=("old",))
    failed = looking.look(40, replace(old, heard_at=at(40)), worked=("old",))
    assert failed is not None
    assert (failed.in_a_row, failed.tripped_at is not None) == (4, True)


def test_three_failures_in_a_row_trip_the_breaker_and_end_nobody_who_may_still_come() -> None:
    looking = Looking()
    looking.look(0, *(instance(id) for id in "abcde"))
    failed = looking.look(10, instance("d"), instance("e"))
    assert failed == FailedBoots(FAILURES, at(10), tripped_at=at(10), probe="d")


def test_nobody_heard_for_a_boot_limit_trips_it_and_all_but_the_first_are_ended() -> None:
    looking = Looking()
    fleet = instance("b", 100), instance("a", 0), instance("c", 290)
    assert looking.look(LIMIT_S, *fleet) is None
    assert looking.boots.given_up == frozenset()
    failed = looking.look(LIMIT_S + 1, *fleet)
    assert failed == FailedBoots(1, at(301), tripped_at=at(301), probe="a", surplus=("b", "c"))
    assert looking.boots.given_up == {"a"}


def test_an_empty_queue_trips_it_as_well() -> None:
    looking = Looking()
    assert looking.look(LIMIT_S + 1, instance("a"), instance("b"), depth=QueueDepth(0, 0)) is not None


def test_a_probe_has_its_time_and_then_makes_room_for_the_next_after_a_longer_pause() -> None:
    looking = Looking()
    looking.look(0, instance("a"))
    probes = []
    for now_s in (LIMIT_S + 1, PROBE_LIMITS * LIMIT_S, PROBE_LIMITS * LIMIT_S + 1, PROBE_LIMITS * LIMIT_S + 3):
        failed = looking.look(now_s, instance("a"))
        assert failed is not None
        probes.append((failed.probe, failed.probes, failed.surplus))
    assert probes == [("a", 0, ()), ("a", 0, ()), ("", 1, ("a",)), ("", 1, ("a",))]
    looking.look(700)
    failed = looking.look(800, instance("next", 790))
    assert failed is not None
    assert (failed.probe, failed.probes, failed.surplus) == ("next", 1, ())


def test_a_probe_that_ends_between_two_looks_counts() -> None:
    looking = Looking()
    looking.look(0, *(instance(id) for id in "abc"))
    looking.look(10)
    for n in range(1, 4):
        looking.boots.launched([instance(f"probe-{n}", 20 * n)])
        failed = looking.look(20 * n + 2)
        assert failed is not None
        assert failed.probes == n


def test_a_probe_that_proves_itself_closes_the_breaker() -> None:
    looking = Looking()
    looking.look(LIMIT_S + 1, instance("a"))
    assert looking.look(310, instance("a", heard_s=310)) is not None
    assert looking.look(312, instance("a", heard_s=312), worked=("a",)) is None


def test_a_boot_limit_is_as_long_as_three_boots_that_were_measured() -> None:
    looking = Looking()
    assert looking.look(959, instance("a"), boot_s=320) is None
    assert looking.look(961, instance("a"), boot_s=320) is not None


def test_workers_that_work_and_are_not_heard_have_not_failed() -> None:
    looking = Looking()
    for now_s in range(0, 900, 100):
        looking.look(now_s, instance("a"), depth=QueueDepth(50, 8))
    assert looking.boots.given_up == frozenset()
    assert looking.look(902, depth=QueueDepth(50, 8)) is None


def test_what_is_in_flight_says_nothing_of_an_instance_where_others_are_heard() -> None:
    looking = Looking()
    for now_s in range(0, 500, 100):
        looking.look(now_s, instance("a"), instance("well", heard_s=now_s), depth=QueueDepth(50, 8))
    assert looking.boots.given_up == {"a"}


@pytest.mark.parametrize(("leaves", "waiting", "given_up"), [(True, 0, True), (False, 1, True), (False, 0, False)])
def test_where_none_can_be_heard_only_one_that_should_have_left_or_taken_work_is_given_up(
    leaves: bool, waiting: int, given_up: bool
) -> None:
    looking = Looking(leaves, listens=False)
    looking.look(LIMIT_S + 1, instance("a"), depth=QueueDepth(waiting, 0))
    assert bool(looking.boots.given_up) == given_up


@pytest.mark.parametrize(("idle_s", "shortest_s"), [(30, 30), (600, LONG_ENOUGH_S), (0, LONG_ENOUGH_S)])
def test_a_worker_with_nothing_to_do_is_there_until_it_could_be_idle_or_for_a_minute(
    idle_s: float, shortest_s: float
) -> None:
    assert shortest_life_s(idle_s) == shortest_s
