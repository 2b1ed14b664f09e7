"""kombu's channel: what is consumed, acknowledged, dropped and left behind; on the fake that ships."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import ChannelError

from app.sqs import memory
from app.sqs.metrics import metrics
from tests.support.waiting import wait_for
from tests.unit.app.sqs.conftest import counted

Connect = Callable[..., Connection]


def send(connection: Connection, count: int, queue: str = "q") -> None:
    with connection.channel() as channel, connection.Producer(channel) as producer:
        for n in range(count):
            producer.publish({"n": n}, routing_key=queue, declare=[Queue(queue)])


def drain(connection: Connection, until: Callable[[], Any]) -> None:
    """Let kombu deliver until ``until`` is true."""

    def turn() -> Any:
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.05)
        return until()

    wait_for(turn, 10)


def test_a_message_is_delivered_and_gone_once_it_is_acknowledged(connect: Connect) -> None:
    connection, got = connect(), []
    send(connection, 3)
    with Consumer(connection.channel(), [Queue("q")], callbacks=[lambda body, message: got.append((body, message))]):
        drain(connection, lambda: len(got) == 3)
        for _, message in got:
            message.ack()
        wait_for(lambda: memory.cloud.depth("q") == (0, 0, 0), 5)
    assert sorted(body["n"] for body, _ in got) == [0, 1, 2]


def test_what_is_requeued_comes_again_at_once_and_says_so(connect: Connect) -> None:
    connection, got = connect(), []
    send(connection, 1)

    def on_message(body: Any, message: Any) -> None:
        got.append(message)
        message.requeue() if len(got) == 1 else message.ack()

    with Consumer(connection.channel(), [Queue("q")], callbacks=[on_message]):
        drain(connection, lambda: len(got) == 2)
    assert [message.delivery_info["redelivered"] for message in got] == [False, True]


def test_what_is_rejected_pauses_and_ends_in_the_dead_letter_queue(connect: Connect) -> None:
    connection, got = connect(max_receive_count=2), []
    send(connection, 1)

    def on_message(body: Any, message: Any) -> None:
        got.append(message)
        message.reject()

    with Consumer(connection.channel(), [Queue("q")], callbacks=[on_message]):
        drain(connection, lambda: len(got) == 1)
        wait_for(lambda: memory.cloud.depth("q") == (0, 1, 0), 5)
        memory.cloud.advance(2)
        drain(connection, lambda: memory.cloud.depth("q-dead") == (1, 0, 0))
    assert len(got) == 2


def test_no_more_than_the_prefetch_window_is_delivered(connect: Connect) -> None:
    connection, got = connect(read_ahead=0), []
    send(connection, 5)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    with Consumer(channel, [Queue("q")], callbacks=[lambda body, message: got.append(message)]):
        drain(connection, lambda: len(got) == 2)
        assert not channel.deliver_one()
        got[0].ack()
        drain(connection, lambda: len(got) == 3)


def test_without_acknowledgement_it_is_gone_once_it_is_delivered(connect: Connect) -> None:
    connection, got = connect(), []
    send(connection, 1)
    with Consumer(connection.channel(), [Queue("q")], no_ack=True, callbacks=[lambda body, message: got.append(body)]):
        drain(connection, lambda: got)
        wait_for(lambda: memory.cloud.depth("q") == (0, 0, 0), 5)


def test_one_message_may_be_asked_for(connect: Connect) -> None:
    connection = connect()
    send(connection, 1)
    channel = connection.channel()
    message = channel.basic_get("q")
    assert message.decode() == {"n": 0}
    assert channel.basic_get("q") is None
    message.ack()
    wait_for(lambda: memory.cloud.depth("q") == (0, 0, 0), 5)


def test_two_consumers_of_a_queue_share_it_and_each_may_go_without_the_other(connect: Connect) -> None:
    connection, one, two = connect(), [], []
    channel = connection.channel()
    Queue("q").bind(channel).declare()
    first = Consumer(channel, [Queue("q")], callbacks=[lambda body, message: (one.append(body), message.ack())])
    second = Consumer(channel, [Queue("q")], callbacks=[lambda body, message: (two.append(body), message.ack())])
    first.consume()
    second.consume()
    assert len(channel.pollers) == 1, "a second one would hold what nobody delivers"
    send(connection, 4)
    drain(connection, lambda: len(one) + len(two) == 4)
    assert len(one) == len(two) == 2
    first.cancel()
    send(connection, 2)
    drain(connection, lambda: len(two) == 4)
    assert len(one) == 2
    (poller,) = channel.pollers
    second.cancel()
    assert poller.stopped
    wait_for(lambda: memory.cloud.depth("q") == (0, 0, 0), 5)


def test_a_consumer_that_goes_gives_back_what_was_not_delivered(connect: Connect) -> None:
    connection = connect()
    send(connection, 5)
    consumer = Consumer(connection.channel(), [Queue("q")], callbacks=[lambda body, message: None])
    consumer.consume()
    wait_for(lambda: memory.cloud.depth("q") == (0, 5, 0), 5)
    consumer.cancel()
    wait_for(lambda: memory.cloud.depth("q") == (5, 0, 0), 5)


def test_a_message_that_everybody_lets_go_of_comes_again(connect: Connect) -> None:
    connection, got = connect(), []
    send(connection, 1)
    consumer = Consumer(connection.channel(), [Queue("q")], callbacks=[lambda body, message: got.append(message)])
    consumer.consume()
    drain(connection, lambda: got)
    consumer.cancel()
    before = counted("abandoned")
    got.clear()
    gc.collect()
    wait_for(lambda: memory.cloud.depth("q") == (1, 0, 0), 5)
    assert counted("abandoned") - before == 1


def test_the_garbage_collector_may_find_one_under_any_lock(connect: Connect) -> None:
    connection, got = connect(), []
    send(connection, 1)
    consumer = Consumer(connection.channel(), [Queue("q")], callbacks=[lambda body, message: got.append(message)])
    consumer.consume()
    drain(connection, lambda: got)
    consumer.cancel()
    outbox = connection.transport.gateway._outbox
    with metrics._lock, outbox._changed:
        got.clear()
        gc.collect()  # it would wait for this thread for ever
    wait_for(lambda: memory.cloud.depth("q") == (1, 0, 0), 5)


def broadcast(name: str) -> Queue:
    return Queue(name, Exchange("commands", type="fanout"), auto_delete=True)


def test_a_fanout_reaches_every_listener_and_its_queue_goes_with_its_channel(connect: Connect) -> None:
    connection, one, two = connect(), [], []
    with connection.channel() as first, connection.channel() as second:
        Consumer(first, [broadcast("a")], no_ack=True, callbacks=[lambda body, message: one.append(body)]).consume()
        Consumer(second, [broadcast("b")], no_ack=True, callbacks=[lambda body, message: two.append(body)]).consume()
        with connection.Producer() as producer:
            producer.publish({"do": "it"}, exchange=Exchange("commands", type="fanout"))
        drain(connection, lambda: one and two)
    wait_for(lambda: not memory.cloud.queues, 5)
    assert memory.cloud.subscriptions == {}


def test_what_a_listener_has_heard_is_deleted_at_leisure_many_to_a_call(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sqs.channel.PATIENT_S", 60.0)
    connection, heard, done = connect(visibility_timeout=600), [], []
    gateway = connection.transport.gateway
    with connection.channel() as ears, connection.channel() as work, connection.Producer() as producer:
        Consumer(ears, [broadcast("a")], no_ack=True, callbacks=[lambda body, message: heard.append(body)]).consume()
        for n in range(3):
            producer.publish({"n": n}, exchange=Exchange("commands", type="fanout"))
            drain(connection, lambda wanted=n + 1: len(heard) == wanted)
        send(connection, 1)
        Consumer(work, [Queue("q")], callbacks=[lambda body, message: done.append(message.ack())]).consume()
        drain(connection, lambda: done and memory.cloud.depth("q") == (0, 0, 0))
        name = gateway.url("a").rsplit("/", 1)[-1]
        assert memory.cloud.depth(name) == (0, 3, 0)
        assert gateway._outbox.flush(5)
        assert memory.cloud.depth(name) == (0, 0, 0)


def test_a_listener_that_reconnects_for_ever_leaves_nothing_behind(connect: Connect) -> None:
    connection = connect()
    for attempt in range(10):
        with connection.channel() as channel:
            Consumer(channel, [broadcast(f"celeryev.{attempt}")], callbacks=[lambda body, message: None]).consume()
            assert len(memory.cloud.queues) == 1
    assert memory.cloud.queues == {}


def test_a_lasting_queue_cannot_hear_a_fanout_and_is_told_why(connect: Connect) -> None:
    channel = connect().channel()
    with pytest.raises(ChannelError, match="auto_delete"):
        Queue("q", Exchange("commands", type="fanout")).bind(channel).declare()


def test_what_comes_by_another_queue_passes_all_that_waits_in_a_background_queue(connect: Connect) -> None:
    connection, got = connect(background_queues=["behind"]), []
    send(connection, 40, "behind")
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    queues = [Queue("behind"), Queue("q")]
    with Consumer(channel, queues, callbacks=[lambda body, message: got.append(message)]):
        drain(connection, lambda: len(got) == 2)
        # Every slot is taken by the background queue, and the other is listened to all the same.
        send(connection, 1)
        wait_for(lambda: memory.cloud.depth("q") == (0, 1, 0), 5)
        for n in range(2):
            got[n].ack()
            drain(connection, lambda n=n: len(got) == 3 + n)  # type: ignore[misc]
    assert [message.delivery_info["routing_key"] for message in got] == ["behind", "behind", "q", "behind"]


def test_nothing_is_asked_of_a_background_queue_while_another_queues_messages_wait(connect: Connect) -> None:
    connection, got = connect(background_queues=["behind"]), []
    send(connection, 8)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    with Consumer(channel, [Queue("q"), Queue("behind")], callbacks=[lambda body, message: got.append(message)]):
        drain(connection, lambda: len(got) == 2)
        behind = next(poller for poller in channel.pollers if poller.name == "behind")
        assert not channel._room_behind()
        for n in range(8):
            wait_for(lambda n=n: len(got) > n or channel.deliver_one(), 5)  # type: ignore[misc]
            got[n].ack()
        send(connection, 1, "behind")
        drain(connection, lambda: len(got) == 9)
    assert not behind.buffer
