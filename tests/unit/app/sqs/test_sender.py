"""Sends: confirmed one by one, gathered where many send at once, and in bulk."""

from __future__ import annotations

import asyncio
import contextvars
import json
import signal
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from app.sqs import bulk
from app.sqs.api import Api
from app.sqs.errors import Denied, QueueMissing, Refused, Unavailable
from app.sqs.memory import MemoryApi, MemoryCloud
from app.sqs.metrics import metrics
from app.sqs.sender import CALL_BYTES, Sender
from tests.support.waiting import wait_for

SEND = "send_message_batch"


@pytest.fixture
def sender(api: Api) -> Sender:
    return Sender(api, timeout_s=5)


def message(body: str) -> dict[str, Any]:
    return {"MessageBody": body}


def send_all(sender: Sender, queue: str, bodies: Iterable[str]) -> None:
    with bulk():
        for body in bodies:
            sender.send(queue, message(body))


def calls() -> int:
    found: Any = metrics.snapshot()["api_calls"]
    return int(found.get(SEND, 0))


class Slow(MemoryApi):
    """Lets nothing through until it is told to; ``then`` is raised by every call but the first."""

    then: BaseException | None = None

    def __init__(self, cloud: MemoryCloud) -> None:
        super().__init__(cloud, metrics)
        self.open, self.calls, self.entered = threading.Event(), 0, threading.Event()

    def sqs(self, action: str, **parameters: Any) -> dict[str, Any]:
        if action == SEND:
            self.calls += 1
            self.entered.set()
            assert self.open.wait(10)
            if self.then is not None and self.calls > 1:
                raise self.then
        return super().sqs(action, **parameters)


def test_a_send_returns_once_the_queue_has_the_message(cloud: MemoryCloud, sender: Sender, queue: str) -> None:
    sender.send(queue, message("one"))
    assert cloud.bodies("q") == ["one"]


def test_threads_that_send_while_a_call_is_under_way_share_the_next(cloud: MemoryCloud, queue: str) -> None:
    slow = Slow(cloud)
    sender = Sender(slow, timeout_s=5)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(sender.send, queue, message("0"))
        assert slow.entered.wait(5)
        others = [pool.submit(sender.send, queue, message(str(n))) for n in range(1, 9)]
        slow.open.set()
        for sent in [first, *others]:
            sent.result(10)
    assert sorted(cloud.bodies("q")) == [str(n) for n in range(9)]
    assert slow.calls < 9


def test_a_sender_that_is_interrupted_while_it_waits_keeps_nobody_else_waiting(cloud: MemoryCloud, queue: str) -> None:
    def interrupt() -> None:
        wait_for(lambda: [entry.wire for entry in sender._lanes[queue].waiting] == [message("interrupted")], 5)
        behind.append(pool.submit(sender.send, queue, message("behind")))
        wait_for(lambda: len(sender._lanes[queue].waiting) == 2, 5)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    slow = Slow(cloud)
    sender, behind = Sender(slow, timeout_s=5), list[Future[None]]()
    usual = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(sender.send, queue, message("first"))
            assert slow.entered.wait(5)
            interrupting = pool.submit(interrupt)
            with pytest.raises(KeyboardInterrupt):
                sender.send(queue, message("interrupted"))
            slow.open.set()
            interrupting.result(10)
            first.result(10)
            behind[0].result(10)
    finally:
        signal.signal(signal.SIGUSR1, usual)
    assert cloud.bodies("q") == ["first", "behind"]


def test_whoever_shared_a_call_that_was_interrupted_is_told_so(cloud: MemoryCloud, queue: str) -> None:
    slow = Slow(cloud)
    sender = Sender(slow, timeout_s=5)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(sender.send, queue, message("first"))
        assert slow.entered.wait(5)
        sharing = [pool.submit(sender.send, queue, message(str(n))) for n in range(2)]
        wait_for(lambda: len(sender._lanes[queue].waiting) == 2, 5)
        slow.then = KeyboardInterrupt()
        slow.open.set()
        first.result(10)
        errors = {type(sent.exception(10)) for sent in sharing}
    assert errors == {KeyboardInterrupt, Unavailable}


def test_a_bulk_sends_ten_to_a_call_and_has_sent_all_when_it_ends(
    cloud: MemoryCloud, sender: Sender, queue: str
) -> None:
    before = calls()
    with bulk():
        for n in range(95):
            sender.send(queue, message(str(n)))
    assert sorted(cloud.bodies("q"), key=int) == [str(n) for n in range(95)]
    assert calls() - before == 10


def test_a_bulk_says_how_many_were_not_accepted(cloud: MemoryCloud, sender: Sender, queue: str) -> None:
    cloud.fail(SEND, Denied("no right"))
    with pytest.raises(Refused, match="10 of 25 messages were not accepted: no right"):
        send_all(sender, queue, map(str, range(25)))
    assert len(cloud.bodies("q")) == 15


def test_a_bulk_within_a_bulk_is_part_of_it(cloud: MemoryCloud, sender: Sender, queue: str) -> None:
    with bulk():
        with bulk():
            sender.send(queue, message("inner"))
        assert cloud.bodies("q") == []
    assert cloud.bodies("q") == ["inner"]


def test_a_call_holds_no_more_bytes_than_sqs_takes(cloud: MemoryCloud, sender: Sender, queue: str) -> None:
    with bulk():
        for _ in range(4):
            sender.send(queue, message("x" * (CALL_BYTES // 2)))
    assert len(cloud.bodies("q")) == 4


def test_a_message_that_no_call_could_hold_is_refused_at_once(sender: Sender, queue: str) -> None:
    with pytest.raises(Refused, match="more than the"):
        sender.send(queue, message("x" * (CALL_BYTES + 1)))


def test_what_is_busy_is_tried_again(cloud: MemoryCloud, sender: Sender, queue: str) -> None:
    cloud.fail(SEND, Unavailable("busy"), Unavailable("busy"))
    sender.send(queue, message("one"))
    assert cloud.bodies("q") == ["one"]


def test_what_stays_busy_is_given_up_with_its_error(cloud: MemoryCloud, api: Api, queue: str) -> None:
    cloud.fail(SEND, *[Unavailable("still busy")] * 100)
    with pytest.raises(Unavailable, match="still busy"):
        Sender(api, timeout_s=0.3).send(queue, message("one"))


@pytest.mark.parametrize("error", [Refused("no right"), QueueMissing("no queue"), KeyError("a defect of ours")])
def test_what_cannot_work_is_raised_at_once(cloud: MemoryCloud, sender: Sender, queue: str, error: Exception) -> None:
    cloud.fail(SEND, error)
    with pytest.raises(type(error)):
        sender.send(queue, message("one"))
    sender.send(queue, message("two"))
    assert cloud.bodies("q") == ["two"]


def test_a_queue_that_was_deleted_is_made_anew_for_a_bulk_too(
    cloud: MemoryCloud, api: Api, sender: Sender, queue: str
) -> None:
    api.sqs("delete_queue", QueueUrl=queue)
    with bulk():
        for n in range(25):
            sender.send(queue, message(str(n)), lambda: str(api.sqs("create_queue", QueueName="q")["QueueUrl"]))
    assert len(cloud.bodies("q")) == 25


def test_one_of_a_batch_that_is_refused_does_not_cost_the_others(cloud: MemoryCloud, queue: str) -> None:
    class Picky(MemoryApi):
        """Refuses one kind of message, as SQS does with a character that it does not take."""

        def sqs(self, action: str, **parameters: Any) -> dict[str, Any]:
            bad = [entry for entry in parameters.get("Entries", []) if entry["MessageBody"] == "bad"]
            parameters["Entries"] = [entry for entry in parameters["Entries"] if entry not in bad]
            answer = super().sqs(action, **parameters)
            code = {"Code": "InvalidMessageContents", "Message": "x", "SenderFault": True}
            answer["Failed"] = [{"Id": entry["Id"], **code} for entry in bad]
            return answer

    sender = Sender(Picky(cloud, metrics), timeout_s=5)
    with pytest.raises(Refused, match=r"1 of 3 messages .* InvalidMessageContents"):
        send_all(sender, queue, ("good", "bad", "fine"))
    assert cloud.bodies("q") == ["good", "fine"]


def test_one_that_cannot_be_serialised_does_not_cost_the_others(cloud: MemoryCloud, queue: str) -> None:
    class Strict(MemoryApi):
        """Cannot say every value, as JSON cannot."""

        def sqs(self, action: str, **parameters: Any) -> dict[str, Any]:
            json.dumps(parameters)
            return super().sqs(action, **parameters)

    sender = Sender(Strict(cloud, metrics), timeout_s=5)

    def send() -> None:
        with bulk():
            for n in range(10):
                attribute = {"when": datetime.now(UTC)} if n == 4 else {}
                sender.send(queue, {**message(str(n)), "MessageAttributes": attribute})

    with pytest.raises(Unavailable, match="1 of 10 messages were not accepted"):
        send()
    assert len(cloud.bodies("q")) == 9


def test_the_batches_of_a_fifo_queue_follow_each_other(cloud: MemoryCloud, api: Api, sender: Sender) -> None:
    url = api.sqs("create_queue", QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    with bulk():
        for n in range(200):
            sender.send(url, {**message(str(n)), "MessageGroupId": "g", "MessageDeduplicationId": str(n)})
    assert cloud.bodies("q.fifo") == [str(n) for n in range(200)]


def test_what_comes_behind_a_batch_that_was_refused_is_not_sent_to_a_fifo_queue_before_it(
    cloud: MemoryCloud, api: Api, sender: Sender
) -> None:
    url = api.sqs("create_queue", QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    cloud.fail(SEND, Denied("no right"))

    def send() -> None:
        with bulk():
            for n in range(25):
                sender.send(url, {**message(str(n)), "MessageGroupId": "g", "MessageDeduplicationId": str(n)})

    with pytest.raises(Refused, match="25 of 25"):
        send()
    assert cloud.bodies("q.fifo") == []


def test_a_task_that_outlives_the_bulk_it_was_made_in_sends_by_itself(
    cloud: MemoryCloud, sender: Sender, queue: str
) -> None:
    async def later(n: int, over: asyncio.Event) -> None:
        await over.wait()
        sender.send(queue, message(str(n)))

    async def main() -> None:
        over = asyncio.Event()
        with bulk():
            tasks = [asyncio.create_task(later(n, over)) for n in range(7)]
            sender.send(queue, message("inside"))
            assert cloud.bodies("q") == []
        over.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert sorted(cloud.bodies("q")) == [*map(str, range(7)), "inside"]


def test_a_thread_that_inherits_a_bulk_has_sent_when_its_send_returns(
    cloud: MemoryCloud, sender: Sender, queue: str
) -> None:
    async def main() -> None:
        with bulk():
            await asyncio.to_thread(sender.send, queue, message("beside"))
            assert cloud.bodies("q") == ["beside"]

    asyncio.run(main())


def test_a_bulk_may_be_left_in_another_context_than_it_was_entered_in(
    cloud: MemoryCloud, sender: Sender, queue: str
) -> None:
    entered, left = contextvars.copy_context(), contextvars.copy_context()
    block = bulk()
    entered.run(block.__enter__)
    entered.run(sender.send, queue, message("one"))
    left.run(block.__exit__, None, None, None)
    assert cloud.bodies("q") == ["one"]
    entered.run(sender.send, queue, message("two"))
    assert cloud.bodies("q") == ["one", "two"], "the block is over, wherever its variable is still set"


def test_a_queue_that_nobody_sends_to_leaves_nothing_behind(sender: Sender, queue: str) -> None:
    for _ in range(3):
        sender.send(queue, message("x"))
    assert sender._lanes == {}
