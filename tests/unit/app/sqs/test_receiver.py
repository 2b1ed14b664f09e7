"""One receive: what is readable and due comes out of it, leased; the rest is dealt with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.sqs import wire
from app.sqs.api import Api
from app.sqs.leases import Lease
from app.sqs.memory import MemoryCloud
from app.sqs.receiver import MOST_HIDES, Receiver, Source


def task(eta: datetime | None = None) -> dict[str, Any]:
    return {"body": "W10=", "headers": {"task": "x", "eta": eta.isoformat() if eta else None}, "properties": {}}


class Book:
    """Notes what becomes of messages."""

    def __init__(self) -> None:
        self.held: list[Lease] = []
        self.given_back: list[tuple[Lease, int]] = []
        self.rejected: list[Lease] = []
        self.sent_anew: list[float] = []
        self.most_receives: int | None = 5


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def receiver(api: Api, queue: str, book: Book) -> Receiver:
    source = Source(
        url=lambda: queue,
        lost=lambda: None,
        poll=api.poll,
        hold=book.held.append,
        give_back=lambda lease, after_s: book.given_back.append((lease, after_s)),
        hand_back=lambda received: book.given_back.append((received.lease, 0)),
        most_receives=lambda url: book.most_receives,
        reject=book.rejected.append,
        resend=lambda envelope, lease, seconds: book.sent_anew.append(seconds),
        visibility_s=30,
        longest_wait_s=1,
    )
    return Receiver("q", source)


@pytest.fixture
def put(api: Api, queue: str) -> Callable[[str], None]:
    return lambda body: void(api.sqs("send_message_batch", QueueUrl=queue, Entries=[{"Id": "0", "MessageBody": body}]))


def void(_: object) -> None:
    """Return nothing."""


def test_what_is_readable_and_due_is_returned_and_held(
    receiver: Receiver, book: Book, put: Callable[[str], None]
) -> None:
    put(wire.encode(task()))
    (received,) = receiver.receive(10, 0)
    assert received.envelope["headers"]["task"] == "x"
    assert book.held == [received.lease]


@pytest.mark.parametrize("body", ["no message", "{}", '{"body": 1}', "e30=", '{"properties": [], "body": ""}'])
def test_what_nobody_can_read_is_rejected_and_does_not_hold_up_its_neighbour(
    receiver: Receiver, book: Book, put: Callable[[str], None], body: str
) -> None:
    put(body)
    put(wire.encode(task()))
    assert len(receiver.receive(10, 0)) == 1
    assert len(book.rejected) == 1


def test_what_is_not_yet_due_is_hidden_until_then(receiver: Receiver, book: Book, put: Callable[[str], None]) -> None:
    put(wire.encode(task(datetime.now(UTC) + timedelta(hours=1))))
    assert receiver.receive(10, 0) == []
    ((_, after_s),) = book.given_back
    assert 3590 < after_s <= 3600


def test_what_sqs_has_held_for_all_of_its_delay_is_due_though_its_sender_s_clock_was_an_hour_ahead(
    receiver: Receiver, book: Book, api: Api, queue: str, cloud: MemoryCloud
) -> None:
    entry = wire.entry("q", task(datetime.now(UTC) + timedelta(hours=1, seconds=4)), seconds=4)
    api.sqs("send_message_batch", QueueUrl=queue, Entries=[{"Id": "0", **entry}])

    assert receiver.receive(10, 0) == []
    cloud.advance(5)
    (received,) = receiver.receive(10, 0)

    assert received.envelope["headers"]["eta"] is None  # by which Celery would hold it for an hour
    assert book.given_back == []


def test_what_was_hidden_often_enough_is_sent_anew_so_that_it_does_not_count_as_poison(
    receiver: Receiver, book: Book, put: Callable[[str], None], cloud: MemoryCloud
) -> None:
    put(wire.encode(task(datetime.now(UTC) + timedelta(hours=1))))
    for _ in range(MOST_HIDES + 1):
        assert receiver.receive(10, 0) == []
        cloud.advance(31)
    assert len(book.given_back) == MOST_HIDES
    assert len(book.sent_anew) == 1


def test_where_one_receive_makes_a_dead_letter_what_is_not_due_is_sent_anew_at_once(
    receiver: Receiver, book: Book, put: Callable[[str], None]
) -> None:
    book.most_receives = 1
    put(wire.encode(task(datetime.now(UTC) + timedelta(minutes=5))))
    assert receiver.receive(10, 0) == []
    assert (len(book.sent_anew), book.given_back) == (1, [])


def test_a_fifo_queue_that_cannot_hold_a_task_until_its_eta_rejects_it(
    api: Api, queue: str, book: Book, put: Callable[[str], None], receiver: Receiver
) -> None:
    book.most_receives = 1
    put(wire.encode(task(datetime.now(UTC) + timedelta(minutes=5))))
    assert Receiver("q.fifo", receiver._source).receive(10, 0) == []
    assert (len(book.rejected), book.sent_anew) == (1, [])


def test_an_unforeseen_error_puts_one_message_off_and_not_its_neighbour(
    receiver: Receiver, book: Book, put: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = wire.decode

    def fails_once(body: str) -> dict[str, Any]:
        monkeypatch.setattr(wire, "decode", decode)
        raise RuntimeError("a defect of ours")

    put(wire.encode(task()))
    put(wire.encode(task()))
    monkeypatch.setattr(wire, "decode", fails_once)
    assert len(receiver.receive(10, 0)) == 1
    assert len(book.given_back) == 1
    assert len(book.held) == 2
