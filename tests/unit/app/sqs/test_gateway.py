"""One process's way to SQS: what it is asked to do with messages, and that it leaves nothing hidden behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from kombu.exceptions import ChannelError

from app.sqs import wire
from app.sqs.api import Api
from app.sqs.errors import Denied, Refused
from app.sqs.fanout import EVENT_EXCHANGE
from app.sqs.gateway import LONGEST_BACKOFF_S, Gateway, gateway
from app.sqs.memory import MemoryApi, MemoryCloud
from app.sqs.metrics import Metrics
from app.sqs.options import Options
from app.sqs.receiver import Received
from tests.support.waiting import wait_for
from tests.unit.app.sqs.conftest import options

ENVELOPE = {"body": "W10=", "headers": {}, "properties": {"delivery_info": {}}}

Make = Callable[..., Gateway]


@pytest.fixture
def make(cloud: MemoryCloud) -> Iterator[Make]:
    """Make gateways to one cloud, with options."""
    made: list[Gateway] = []

    def make_one(**given: Any) -> Gateway:
        made.append(Gateway(options(wait_time_seconds=1, **given), lambda _, metrics: MemoryApi(cloud, metrics)))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


def send(to: Gateway, queue: str = "q") -> None:
    to.send(queue, wire.entry(queue, dict(ENVELOPE)))


def soon(by: Gateway) -> Received:
    """Return what comes once it has been handed back, which is some milliseconds later."""
    found: list[Received] = []
    wait_for(lambda: found or found.extend(filter(None, [by.receive_one("q")])) or found, 5)
    return found[0]


def received(by: Gateway, queue: str = "q") -> Received:
    found = by.receive_one(queue)
    assert found is not None
    return found


def test_what_is_sent_is_counted_received_and_gone_once_it_is_deleted(cloud: MemoryCloud, make: Make) -> None:
    one = make()
    send(one)
    assert one.size("q") == 1
    lease = received(one).lease
    assert one.receive_one("q") is None
    assert one.delete(lease)
    wait_for(lambda: cloud.depth("q") == (0, 0, 0), 10)
    assert not one.delete(lease), "it is not held any more"


def test_a_queue_that_was_deleted_is_made_anew_by_the_next_send(cloud: MemoryCloud, make: Make) -> None:
    one = make()
    send(one)
    cloud.queues.clear()
    send(one)
    assert cloud.depth("q") == (1, 0, 0)


def test_a_purge_empties_a_queue(cloud: MemoryCloud, make: Make) -> None:
    one = make()
    send(one)
    one.purge("q")
    assert cloud.depth("q") == (0, 0, 0)


def hidden_s(cloud: MemoryCloud) -> float:
    """Return for how long the one message of the queue is hidden still."""
    (message,) = cloud.queues["q"].messages
    return message.visible_at - cloud.now


def await_hidden(cloud: MemoryCloud, seconds: float) -> None:
    wait_for(lambda: abs(hidden_s(cloud) - seconds) < 2, 5, lambda: f"it is hidden for {hidden_s(cloud)} s")


def test_what_is_given_back_comes_again_after_the_pause(cloud: MemoryCloud, make: Make) -> None:
    one = make()
    send(one)
    one.give_back(received(one).lease, 60)
    await_hidden(cloud, 60)
    assert one.receive_one("q") is None
    cloud.advance(61)
    assert received(one).lease.receive_count == 2


def test_what_is_done_is_not_given_back(cloud: MemoryCloud, make: Make) -> None:
    one = make()
    send(one)
    lease = received(one).lease
    one.delete(lease)
    one.give_back(lease)
    wait_for(lambda: cloud.depth("q") == (0, 0, 0), 10)


def test_what_its_task_rejects_pauses_for_longer_each_time_and_then_is_a_dead_letter(
    cloud: MemoryCloud, make: Make
) -> None:
    one = make(max_receive_count=9)
    send(one)
    for pause_s in (1, 2, 4, 8, 16, 32, LONGEST_BACKOFF_S, LONGEST_BACKOFF_S):
        one.reject(received(one).lease)
        await_hidden(cloud, pause_s)
        cloud.advance(pause_s + 1)
    one.reject(received(one).lease)
    wait_for(lambda: cloud.depth("q") == (1, 0, 0), 10)
    assert one.receive_one("q") is None
    assert cloud.depth("q-dead") == (1, 0, 0)


def test_where_there_is_no_dead_letter_queue_what_is_spent_is_deleted_and_that_is_said(
    cloud: MemoryCloud, make: Make, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.sqs("create_queue", QueueName="q")
    one = make(max_receive_count=1)
    send(one)
    one.reject(received(one).lease)
    wait_for(lambda: cloud.depth("q") == (0, 0, 0), 10)
    assert "message_discarded" in caplog.text


def test_a_message_that_nobody_can_read_goes_towards_the_dead_letter_queue(cloud: MemoryCloud, make: Make) -> None:
    one = make(max_receive_count=1)
    send(one)
    found = received(one)
    one.unreadable("q", found.lease, ValueError("no JSON"))
    wait_for(lambda: cloud.depth("q") == (1, 0, 0), 10)
    assert one.receive_one("q") is None
    assert cloud.depth("q-dead") == (1, 0, 0)


def test_an_answer_that_nobody_waits_for_is_said_to_be_lost(make: Make) -> None:
    assert not make().reply("gone.reply.celery.pidbox", {"MessageBody": "x"})


def test_an_answer_goes_to_the_reply_queue_of_another_process(cloud: MemoryCloud, make: Make) -> None:
    asking, answering = make(), make()
    asking.listeners.use("1.reply.celery.pidbox").url()
    assert answering.reply("1.reply.celery.pidbox", {"Id": "0", "MessageBody": "pong"})
    (queue,) = cloud.queues
    assert cloud.bodies(queue) == ["pong"]


def test_an_answer_to_a_reply_queue_that_has_gone_meanwhile_is_lost_and_no_error(
    cloud: MemoryCloud, make: Make
) -> None:
    asking, answering = make(), make()
    asking.listeners.use("1.reply.celery.pidbox").url()
    answering.reply("1.reply.celery.pidbox", {"Id": "0", "MessageBody": "pong"})
    cloud.queues.clear()
    assert not answering.reply("1.reply.celery.pidbox", {"Id": "0", "MessageBody": "pong"})


def test_a_queue_that_may_not_be_made_is_the_senders_error(make: Make) -> None:
    with pytest.raises(Refused, match="not in predefined_queues"):
        send(make(predefined_queues={"orders": {"url": "memory://sqs/0/orders"}}))


def test_a_close_gives_back_what_is_held_and_deletes_what_was_done(cloud: MemoryCloud, make: Make) -> None:
    one = make()
    for _ in range(3):
        send(one)
    done, *_ = [received(one).lease for _ in range(3)]
    one.listeners.use("inbox").subscribe("commands")
    one.delete(done)
    one.close()
    assert one.closed
    assert cloud.depth("q") == (2, 0, 0)
    assert set(cloud.queues) == {"q", "q-dead"}, "its own queues go with it"
    one.close()


def test_a_close_waits_for_the_poll_under_way(make: Make) -> None:
    one = make()
    poller = one.consume("q", room=lambda: 10, ready=lambda: None)
    wait_for(lambda: poller.polling, 10)
    one.close()
    assert poller.ended, "what it still brought would stay hidden"


def test_a_consumed_queue_brings_what_is_sent(make: Make) -> None:
    one, ready = make(), threading.Event()
    poller = one.consume("q", room=lambda: 10, ready=ready.set)
    send(one)
    assert ready.wait(10)
    assert poller.buffer.popleft().envelope["body"] == ENVELOPE["body"]


def test_a_process_has_one_gateway_for_its_options_and_another_once_that_is_closed(cloud: MemoryCloud) -> None:
    def api(_: Options, metrics: Metrics) -> Api:
        return MemoryApi(cloud, metrics)

    given = options(topic=uuid4().hex)
    first = gateway(given, api)
    other = gateway(options(topic=uuid4().hex), api)
    assert gateway(given, api) is first
    assert other is not first
    first.close()
    again = gateway(given, api)
    assert again is not first
    for one in (other, again):
        one.close()


def test_a_message_that_restarts_handed_back_without_beginning_it_is_no_dead_letter(
    make: Make, cloud: MemoryCloud
) -> None:
    gateway = make()
    gateway.send("q", wire.entry("q", ENVELOPE))
    for _ in range(20):
        gateway.hand_back("q", soon(gateway))
    assert soon(gateway).lease.receive_count < 5
    assert cloud.depth("q-dead") == (0, 0, 0)
    wait_for(lambda: sum(cloud.depth("q")) == 1, 5)


def test_one_that_cannot_be_sent_anew_is_handed_back_as_it_is(make: Make, cloud: MemoryCloud) -> None:
    gateway = make()
    gateway.send("q", wire.entry("q", ENVELOPE))
    for _ in range(3):
        gateway.give_back(soon(gateway).lease)
    cloud.fail("send_message_batch", Denied("no right"))
    gateway.hand_back("q", soon(gateway))
    assert soon(gateway).lease.receive_count == 5


def test_a_queue_is_there_or_not_and_none_is_made_for_the_asking(make: Make, cloud: MemoryCloud) -> None:
    gateway = make()
    assert not gateway.exists("q")
    assert cloud.queues == {}
    gateway.url("q")
    assert gateway.exists("q")


def test_a_task_with_an_eta_is_refused_where_one_receive_makes_a_dead_letter(connect: Callable[..., object]) -> None:
    channel = connect(max_receive_count=1).channel()  # type: ignore[attr-defined]
    eta = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    with pytest.raises(ChannelError, match="until its ETA"):
        channel._put("orders.fifo", {**ENVELOPE, "headers": {"eta": eta}})


@pytest.mark.parametrize("settle", [Gateway.delete, Gateway.give_back, Gateway.reject])
def test_events_go_with_the_last_message_that_is_held(
    cloud: MemoryCloud, make: Make, settle: Callable[..., object]
) -> None:
    gateway = make(event_interval=60.0)
    ears = gateway.listeners.use("ears")
    ears.subscribe(EVENT_EXCHANGE)
    for _ in range(2):
        send(gateway)
    first, last = received(gateway), received(gateway)
    gateway.fanout.publish(EVENT_EXCHANGE, {**ENVELOPE, "body": "1"})
    settle(gateway, first.lease)
    gateway.fanout.publish(EVENT_EXCHANGE, {**ENVELOPE, "body": "2"})
    settle(gateway, last.lease)
    (message,) = wait_for(lambda: cloud.bodies(ears.url().rsplit("/", 1)[-1]), 5)
    assert "[1,2]" in message


def test_events_wait_for_those_of_a_queue_that_has_more_than_a_poll_brings(cloud: MemoryCloud, make: Make) -> None:
    gateway = make(event_interval=60.0)
    ears = gateway.listeners.use("ears")
    ears.subscribe(EVENT_EXCHANGE)
    for _ in range(13):
        send(gateway)
    room = [10]
    poller = gateway.consume("q", room=lambda: room[0], ready=lambda: room.__setitem__(0, 0))
    for number, wanted in enumerate((10, 3)):
        wait_for(lambda wanted=wanted: len(poller.buffer) == wanted, 5)
        gateway.fanout.publish(EVENT_EXCHANGE, {**ENVELOPE, "body": str(number)})
        while poller.buffer:
            gateway.delete(poller.buffer.popleft().lease)
        room[0] = 10
        poller.wake()
    (message,) = wait_for(lambda: cloud.bodies(ears.url().rsplit("/", 1)[-1]), 5)
    assert "[0,1]" in message


def test_a_listener_waits_long_from_its_first_poll_on_and_who_asks_or_works_does_not(cloud: MemoryCloud) -> None:
    waits_s: dict[str, int] = {}

    class Noting(MemoryApi):
        def poll(self, *, wait_s: int, **parameters: Any) -> list[dict[str, Any]]:
            waits_s.setdefault(parameters["QueueUrl"], wait_s)
            return super().poll(wait_s=wait_s, **parameters)

    gateway = Gateway(options(wait_time_seconds=2), lambda _, metrics: Noting(cloud, metrics))
    for name in ("ears", "me.reply.pidbox"):
        gateway.listeners.use(name)
    for name in ("q", "ears", "me.reply.pidbox"):
        gateway.consume(name, room=lambda: 1, ready=lambda: None)
    wait_for(lambda: len(waits_s) == 3, 5)
    assert [waits_s[gateway.url(name)] for name in ("q", "ears", "me.reply.pidbox")] == [1, 2, 1]
    gateway.close()
