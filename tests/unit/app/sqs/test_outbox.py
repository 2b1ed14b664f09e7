"""Deletes and visibility changes: gathered, confirmed, tried again, and never in another queue's way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.sqs.api import Api
from app.sqs.errors import Refused, Unavailable
from app.sqs.leases import Lease, Leases
from app.sqs.memory import MemoryCloud
from app.sqs.metrics import metrics
from app.sqs.outbox import Outbox
from tests.support.waiting import wait_for

Held = Callable[[int], list[Lease]]
DELETE, CHANGE = "delete_message_batch", "change_message_visibility_batch"


def calls(action: str) -> int:
    found: Any = metrics.snapshot()["api_calls"]
    return int(found.get(action, 0))


def test_deletes_go_ten_to_a_call(cloud: MemoryCloud, outbox: Outbox, held: Held) -> None:
    before = calls(DELETE)
    for lease in held(30):
        outbox.delete(lease)
    assert outbox.flush(5)
    assert cloud.depth("q") == (0, 0, 0)
    assert calls(DELETE) - before <= 4


def test_what_waits_alone_goes_within_milliseconds_without_a_flush(
    cloud: MemoryCloud, outbox: Outbox, held: Held
) -> None:
    outbox.delete(*held(1))
    wait_for(lambda: cloud.depth("q") == (0, 0, 0), 5)


def test_what_is_given_back_is_visible_at_once(cloud: MemoryCloud, outbox: Outbox, leases: Leases, held: Held) -> None:
    (lease,) = held(1)
    outbox.give_back(lease)
    assert not leases.holds(lease)
    assert outbox.flush(5)
    assert cloud.depth("q") == (1, 0, 0)


def test_what_is_given_back_for_later_is_visible_then(cloud: MemoryCloud, outbox: Outbox, held: Held) -> None:
    outbox.give_back(*held(1), after_s=100)
    assert outbox.flush(5)
    cloud.advance(99)
    assert cloud.depth("q") == (0, 1, 0)
    cloud.advance(2)
    assert cloud.depth("q") == (1, 0, 0)


def test_what_is_done_is_never_given_back(cloud: MemoryCloud, outbox: Outbox, held: Held) -> None:
    (lease,) = held(1)
    outbox.delete(lease)
    outbox.give_back(lease)
    assert outbox.flush(5)
    assert cloud.depth("q") == (0, 0, 0)


def test_a_message_stays_leased_until_its_deletion_is_confirmed(
    cloud: MemoryCloud, outbox: Outbox, leases: Leases, held: Held
) -> None:
    cloud.fail(DELETE, Unavailable("busy"))
    (lease,) = held(1)
    outbox.delete(lease)
    wait_for(lambda: cloud.waiting(DELETE) == 0, 5)
    assert leases.holds(lease)
    assert outbox.flush(5)
    assert not leases.holds(lease)


@pytest.mark.parametrize("error", [Unavailable("busy"), Refused("no right"), KeyError("a defect of ours")])
@pytest.mark.parametrize("action", [DELETE, CHANGE])
def test_whatever_the_error_it_is_tried_again_and_no_message_is_forgotten(
    cloud: MemoryCloud, outbox: Outbox, leases: Leases, held: Held, action: str, error: Exception
) -> None:
    cloud.fail(action, error, error)
    for lease in held(3):
        (outbox.delete if action == DELETE else outbox.give_back)(lease)
    assert outbox.flush(10)
    assert cloud.depth("q") == ((0, 0, 0) if action == DELETE else (3, 0, 0))
    assert leases.all() == []


@pytest.mark.parametrize("action", [DELETE, CHANGE])
def test_a_queue_that_is_gone_is_asked_once_and_its_messages_are_let_go_of(
    api: Api, outbox: Outbox, leases: Leases, queue: str, held: Held, action: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = held(3)
    api.sqs("delete_queue", QueueUrl=queue)
    before = calls(action)
    for lease in found:
        (outbox.delete if action == DELETE else outbox.give_back)(lease)
    assert outbox.flush(5), "or every close would wait for ten seconds"
    assert calls(action) - before == 1
    assert leases.all() == []
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert bool(errors) == (action != DELETE), "what was to be deleted has gone, and nobody has to be told"


def test_one_queues_trouble_does_not_hold_up_another(
    cloud: MemoryCloud, api: Api, outbox: Outbox, leases: Leases, held: Held
) -> None:
    (broken,) = held(1)
    cloud.fail(CHANGE, *[Unavailable("busy")] * 1000)
    outbox.give_back(broken)
    wait_for(lambda: cloud.waiting(CHANGE) < 1000, 5)
    for lease in held(10):
        outbox.delete(lease)
    wait_for(lambda: cloud.depth("q") == (0, 1, 0), 5)
    assert cloud.waiting(CHANGE) > 900, "it waits longer from one attempt to the next"


def test_an_error_for_one_of_a_batch_concerns_that_one(
    cloud: MemoryCloud, outbox: Outbox, leases: Leases, held: Held, queue: str
) -> None:
    stale = Lease(queue, "an old handle", "m", 1)
    leases.add(stale)
    outbox.give_back(stale)
    for lease in held(2):
        outbox.give_back(lease)
    assert outbox.flush(5)
    assert cloud.depth("q") == (2, 0, 0)


def test_a_flush_says_when_not_all_was_sent_in_time(cloud: MemoryCloud, outbox: Outbox, held: Held) -> None:
    cloud.fail(DELETE, *[Unavailable("busy")] * 1000)
    outbox.delete(*held(1))
    assert not outbox.flush(0.3)
