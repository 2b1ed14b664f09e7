"""The leases of what is held: extended in batches in good time, and what is lost is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from app.sqs.api import Api
from app.sqs.errors import Unavailable
from app.sqs.leases import Lease, Leases
from app.sqs.memory import MemoryCloud
from tests.support.waiting import wait_for
from tests.unit.app.sqs.conftest import counted

Held = Callable[[int], list[Lease]]
CHANGE = "change_message_visibility_batch"


@pytest.fixture
def leases(api: Api) -> Iterator[Leases]:
    """They run for 3 s, and are looked at every half."""
    leases = Leases(api, 3)
    yield leases
    leases.stop()


def extended(lease: Lease) -> Callable[[], bool]:
    first = lease.extended_at
    return lambda: lease.extended_at > first


def test_what_is_held_is_extended_before_its_time_is_over(cloud: MemoryCloud, leases: Leases, held: Held) -> None:
    (lease,) = held(1)
    wait_for(extended(lease), 5)
    assert cloud.depth("q") == (0, 1, 0)


def test_ten_go_into_one_call(leases: Leases, held: Held) -> None:
    before, found = counted("leases_extended"), held(25)
    wait_for(lambda: counted("leases_extended") - before >= len(found), 5)


def test_what_was_dropped_is_not_extended(cloud: MemoryCloud, leases: Leases, held: Held) -> None:
    dropped, kept = held(2)
    first = dropped.extended_at
    assert leases.drop(dropped)
    assert not leases.drop(dropped)
    wait_for(extended(kept), 5)
    assert dropped.extended_at == first
    assert leases.all() == [kept]


def test_they_are_busy_until_the_work_of_each_is_done(leases: Leases, held: Held) -> None:
    assert not leases.busy
    first, second = held(2)
    leases.done(first)
    assert leases.busy
    assert leases.holds(first), "it is not deleted yet"
    leases.drop(second)
    assert not leases.busy


def test_an_extension_that_fails_is_tried_again(cloud: MemoryCloud, leases: Leases, held: Held) -> None:
    cloud.fail(CHANGE, Unavailable("busy"), KeyError("a defect of ours"))
    (lease,) = held(1)
    wait_for(extended(lease), 10)


def test_a_lease_that_ran_out_is_lost_and_counted_and_its_neighbours_are_not(
    leases: Leases, held: Held, queue: str
) -> None:
    before = counted("leases_lost")
    (kept,) = held(1)
    lost = Lease(queue, "somebody else's by now", "m", 1)
    leases.add(lost)
    wait_for(lambda: not leases.holds(lost), 5)
    wait_for(extended(kept), 5)
    assert leases.holds(kept)
    assert counted("leases_lost") - before == 1
