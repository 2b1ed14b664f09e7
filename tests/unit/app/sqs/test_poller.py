"""The thread that polls one queue, and the watchdog that replaces it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.sqs import poller as module
from app.sqs import wire
from app.sqs.errors import QueueMissing, Unavailable
from app.sqs.leases import Lease
from app.sqs.poller import Poller
from app.sqs.receiver import Source
from tests.support.waiting import wait_for
from tests.unit.app.sqs.conftest import counted

ENVELOPE = wire.encode({"body": "W10=", "headers": {}, "properties": {}})


class Server:
    """Answers polls as it is told to, each as long as it is told to take."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.polls: list[dict[str, Any]] = []
        self.given_back: list[Lease] = []
        self.lost = 0
        self.room = 10

    def poll(self, **asked: Any) -> list[dict[str, Any]]:
        self.polls.append(asked)
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer()
        elif not answer:
            time.sleep(0.01)
        return [{"ReceiptHandle": text, "MessageId": text, "Body": ENVELOPE} for text in answer]

    def note_lost(self) -> None:
        self.lost += 1

    def source(self) -> Source:
        return Source(
            url=lambda: "http://q",
            lost=self.note_lost,
            poll=self.poll,
            hold=lambda lease: None,
            give_back=lambda lease, after_s: self.given_back.append(lease),
            hand_back=lambda received: self.given_back.append(received.lease),
            most_receives=lambda url: 5,
            reject=lambda lease: None,
            resend=lambda envelope, lease, seconds: None,
            visibility_s=30,
            longest_wait_s=20,
        )


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def start(server: Server) -> Iterator[Callable[[], Poller]]:
    pollers: list[Poller] = []

    def make() -> Poller:
        pollers.append(Poller("q", server.source(), room=lambda: server.room, ready=lambda: None))
        return pollers[-1]

    yield make
    for poller in pollers:
        poller.stop()
        poller.join(5)


def receipts(poller: Poller) -> list[str]:
    return [received.lease.receipt for received in poller.buffer]


def test_what_a_poll_brings_is_in_the_buffer(server: Server, start: Callable[[], Poller]) -> None:
    server.answers = [["a", "b"], ["c"]]
    poller = start()
    wait_for(lambda: receipts(poller) == ["a", "b", "c"], 5)


def test_no_poll_asks_for_more_than_there_is_room_for(server: Server, start: Callable[[], Poller]) -> None:
    server.room = 3
    start()
    wait_for(lambda: server.polls, 5)
    assert server.polls[0]["MaxNumberOfMessages"] == 3


def test_without_room_there_is_no_poll_until_it_is_woken(server: Server, start: Callable[[], Poller]) -> None:
    server.room = 0
    poller = start()
    assert server.polls == []
    server.room = 1
    poller.wake()
    wait_for(lambda: server.polls, 5)


def test_after_work_it_asks_with_short_waits_and_then_with_long_ones(
    server: Server, start: Callable[[], Poller]
) -> None:
    server.answers = [["a"]]
    start()
    wait_for(lambda: len(server.polls) >= 5, 5)
    assert [asked["wait_s"] for asked in server.polls[:5]] == [1, 1, 1, 20, 20]


def test_a_failed_poll_is_tried_again(server: Server, start: Callable[[], Poller]) -> None:
    server.answers = [Unavailable("busy"), KeyError("a defect of ours"), ["a"]]
    poller = start()
    wait_for(lambda: receipts(poller) == ["a"], 5)


def test_a_queue_that_is_gone_is_said_to_be(server: Server, start: Callable[[], Poller]) -> None:
    server.answers = [QueueMissing("gone"), ["a"]]
    poller = start()
    wait_for(lambda: receipts(poller) == ["a"], 5)
    assert server.lost == 1


def test_a_paused_one_makes_no_further_poll_and_says_what_one_under_way_may_bring(
    server: Server, start: Callable[[], Poller]
) -> None:
    release = threading.Event()
    server.answers = [lambda: release.wait(5) and ["late"]]
    poller = start()
    wait_for(lambda: server.polls, 5)
    poller.pause()
    assert poller.polling == 10
    release.set()
    wait_for(lambda: poller.polling == 0, 5)
    assert receipts(poller) == ["late"]
    assert len(server.polls) == 1
    poller.pause(False)
    wait_for(lambda: len(server.polls) > 1, 5)


def test_a_stop_gives_back_the_buffer_and_what_a_poll_under_way_brings(
    server: Server, start: Callable[[], Poller]
) -> None:
    release = threading.Event()
    server.answers = [["early"], lambda: release.wait(5) and ["late"]]
    poller = start()
    wait_for(lambda: len(server.polls) == 2, 5)
    poller.stop()
    assert [lease.receipt for lease in server.given_back] == ["early"]
    assert not poller.ended
    release.set()
    poller.join(5)
    assert [lease.receipt for lease in server.given_back] == ["early", "late"]
    assert poller.ended


def test_what_lies_ready_for_longer_than_a_moment_is_handed_back(
    server: Server, start: Callable[[], Poller], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers = [["a", "b"]]
    poller = start()
    wait_for(lambda: receipts(poller) == ["a", "b"], 5)
    poller.hand_back_what_waits()
    assert receipts(poller) == ["a", "b"], "not yet"
    monkeypatch.setattr(module, "LONGEST_READY_S", -1.0)
    poller.hand_back_what_waits()
    assert receipts(poller) == []
    assert [lease.receipt for lease in server.given_back] == ["a", "b"]


def test_a_call_that_hangs_is_given_up_on_and_what_it_brings_in_the_end_is_given_back(
    server: Server, start: Callable[[], Poller], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OVERDUE_S", -2.0)
    hangs = threading.Event()
    server.answers = [lambda: hangs.wait(10) and ["late"], ["new"]]
    poller = start()
    wait_for(lambda: server.polls, 5)
    before = counted("pollers_restarted")
    poller.revive()
    wait_for(lambda: receipts(poller) == ["new"], 5)
    assert counted("pollers_restarted") - before == 1
    hangs.set()
    wait_for(lambda: [lease.receipt for lease in server.given_back] == ["late"], 5)


def test_a_thread_that_was_given_up_on_does_not_clear_its_successors_deadline(
    server: Server, start: Callable[[], Poller], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OVERDUE_S", -2.0)
    first, second = threading.Event(), threading.Event()
    server.answers = [lambda: first.wait(10) and ["late"], lambda: second.wait(10) and [], ["third"]]
    poller = start()
    wait_for(lambda: len(server.polls) == 1, 5)
    poller.revive()
    wait_for(lambda: len(server.polls) == 2, 5)
    first.set()
    wait_for(lambda: server.given_back, 5)
    assert poller.polling == 10, "the second poll is under way"
    poller.revive()
    wait_for(lambda: receipts(poller) == ["third"], 5)
    second.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_replaced(server: Server, start: Callable[[], Poller]) -> None:
    def broken() -> int:
        server_room.append(1)
        if len(server_room) == 1:
            raise SystemExit
        return 10

    server_room: list[int] = []
    server.answers = [["a"]]
    poller = Poller("q", server.source(), room=broken, ready=lambda: None)
    wait_for(lambda: len(server_room) == 1 and not server.polls, 5)
    wait_for(lambda: (poller.revive(), receipts(poller) == ["a"])[1], 5)
    poller.stop()
    poller.join(5)
