"""Finding instances that cost and do nothing, in two phases, and never by a silence that may be our own deafness."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.memory.orphans import ORPHAN_LEAVES_S, SILENT_LIMIT_S, WORKER_LEAVES_S, Orphans
from autoscaler.values import Estimates, FailedBoots, Heard, Limits, Observation

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITS = Limits(ceiling=19, boot_limit_s=300)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def instance(id: str, heard_s: float | None = None, state: InstanceState = InstanceState.RUNNING) -> Instance:
    return Instance(id, state, START, None if heard_s is None else at(heard_s))


def seen(now_s: float, *fleet: Instance, **deafness: Any) -> Observation:
    """An observation by one who has listened from the start and heard some worker a second ago."""
    heard = Heard(since=START, at=at(now_s - 1), worker_at=at(now_s - 1))
    return Observation(
        at=at(now_s),
        depth=QueueDepth(0, 0),
        counted_at=at(now_s),
        fleet=fleet,
        listed_at=at(now_s),
        heard=replace(heard, **deafness),
    )


def lost(observation: Observation) -> list[str]:
    return [one.id for one in Orphans().look(observation, LIMITS).lost]


@pytest.mark.parametrize(("now_s", "found"), [(299, []), (301, ["silent"])])
def test_an_instance_that_is_not_heard_within_the_boot_limit_is_lost(now_s: float, found: list[str]) -> None:
    assert lost(seen(now_s, instance("silent"), instance("well", heard_s=now_s - 1))) == found


@pytest.mark.parametrize(("silent_s", "found"), [(SILENT_LIMIT_S - 1, []), (SILENT_LIMIT_S + 1, ["silent"])])
def test_a_worker_that_was_heard_and_is_silent_for_minutes_is_lost(silent_s: float, found: list[str]) -> None:
    now_s = 1000
    fleet = instance("silent", heard_s=now_s - silent_s), instance("well", heard_s=now_s - 1)
    assert lost(seen(now_s, *fleet)) == found


@pytest.mark.parametrize(
    "deafness",
    [
        {"since": None},
        {"at": at(900)},
        {"at": None, "worker_at": None},
        {"worker_at": None},
        {"worker_at": at(-1)},
        {"since": at(990)},
    ],
    ids=[
        "none can be heard",
        "nothing was heard for a while",
        "nothing was ever heard",
        "only the own echo is heard",
        "no worker was heard since the launch",
        "listening has only begun",
    ],
)
def test_silence_means_nothing_where_workers_may_be_unheard(deafness: dict[str, Any]) -> None:
    assert lost(seen(1000, instance("silent"))) == ["silent"]
    assert lost(seen(1000, instance("silent"), **deafness)) == []


def test_an_orphan_that_was_asked_to_leave_is_ended_two_minutes_later_and_not_before() -> None:
    orphans = Orphans()
    assert orphans.look(seen(301, instance("silent")), LIMITS).lost
    asked = instance("silent", state=InstanceState.DRAINING)
    ended = {
        now_s: [one.id for one in orphans.look(seen(now_s, asked), LIMITS).stuck]
        for now_s in (303, 303 + ORPHAN_LEAVES_S, 304 + ORPHAN_LEAVES_S)
    }
    assert list(ended.values()) == [[], [], ["silent"]]


def test_a_worker_that_was_asked_to_leave_has_ten_minutes_for_what_it_has_in_hand() -> None:
    orphans = Orphans()
    leaving = instance("busy", heard_s=100, state=InstanceState.DRAINING)
    ended = {
        now_s: [one.id for one in orphans.look(seen(now_s, leaving), LIMITS).stuck]
        for now_s in (102, 102 + WORKER_LEAVES_S, 103 + WORKER_LEAVES_S)
    }
    assert list(ended.values()) == [[], [], ["busy"]]


def test_an_orphan_that_is_heard_again_is_not_ended() -> None:
    orphans = Orphans()
    orphans.look(seen(301, instance("slow")), LIMITS)
    orphans.look(seen(303, instance("slow", state=InstanceState.DRAINING)), LIMITS)
    late = instance("slow", heard_s=499, state=InstanceState.DRAINING)
    assert orphans.look(seen(500, late), LIMITS).stuck == ()


def test_a_worker_that_goes_on_as_if_nothing_had_been_said_is_asked_again_now_and_then() -> None:
    orphans = Orphans()
    asked = []
    for now_s in range(400, 500, 2):
        heard = instance("deaf", heard_s=now_s - 1, state=InstanceState.DRAINING)
        asked += [now_s] if orphans.look(seen(now_s, heard), LIMITS).reminded else []
    assert asked == [432, 464, 496]


def test_a_worker_that_finishes_what_it_has_and_says_nothing_more_is_not_asked_again() -> None:
    orphans = Orphans()
    quiet = instance("leaving", heard_s=399, state=InstanceState.DRAINING)
    assert not any(orphans.look(seen(now_s, quiet), LIMITS).reminded for now_s in range(400, 500, 2))


def test_what_has_gone_is_forgotten() -> None:
    orphans = Orphans()
    leaving = instance("one", heard_s=100, state=InstanceState.DRAINING)
    orphans.look(seen(102, leaving), LIMITS)
    orphans.look(seen(104), LIMITS)
    again = replace(leaving, launched_at=at(104))
    assert orphans.look(seen(104 + WORKER_LEAVES_S, again), LIMITS).stuck == ()
    assert orphans.look(seen(110 + 2 * WORKER_LEAVES_S, again), LIMITS).stuck == (again,)


def tripped(*surplus: str, probe: str = "") -> FailedBoots:
    return FailedBoots(3, at(300), tripped_at=at(300), probe=probe, surplus=surplus)


def test_what_the_breaker_wants_gone_is_ended_at_once_and_again_if_it_stays() -> None:
    orphans = Orphans()
    ended = []
    for now_s in range(301, 401, 10):
        look = replace(seen(now_s, instance("a"), instance("b")), failed_boots=tripped("b", probe="a"))
        found = orphans.look(look, LIMITS)
        assert "b" not in [one.id for one in found.lost]
        ended += [(now_s, one.id) for one in found.stuck]
    assert ended == [(301, "b"), (341, "b"), (381, "b")]


def test_one_that_is_given_up_is_lost_though_no_worker_was_heard_and_the_probe_is_not() -> None:
    alone = replace(seen(301, instance("a"), worker_at=None), given_up=frozenset("a"))
    assert lost(alone) == ["a"]
    assert lost(replace(alone, failed_boots=tripped(probe="a"))) == []


def test_one_that_is_given_up_and_does_not_leave_is_ended() -> None:
    orphans = Orphans()
    orphans.look(replace(seen(301, instance("a"), worker_at=None), given_up=frozenset("a")), LIMITS)
    ended = []
    for now_s in (303, 303 + ORPHAN_LEAVES_S, 304 + ORPHAN_LEAVES_S):
        asked = seen(now_s, instance("a", state=InstanceState.DRAINING), worker_at=None)
        ended.append(len(orphans.look(replace(asked, given_up=frozenset("a")), LIMITS).stuck))
    assert ended == [0, 0, 1]


def test_a_boot_may_take_three_times_what_boots_have_taken() -> None:
    slow = Estimates(boot_s=200)
    assert lost(replace(seen(599, instance("silent"), instance("well", heard_s=598)), estimates=slow)) == []
    assert lost(replace(seen(601, instance("silent"), instance("well", heard_s=600)), estimates=slow)) == ["silent"]
