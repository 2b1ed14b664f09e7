"""What a channel asks of its process's gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from kombu.exceptions import ChannelError

from app.sqs import wire
from app.sqs.errors import Denied
from app.sqs.gateway import Gateway
from app.sqs.memory import MemoryApi, MemoryCloud
from app.sqs.receiver import Received
from tests.support.waiting import wait_for
from tests.unit.app.sqs.conftest import options

ENVELOPE = {"body": "W10=", "headers": {"task": "x"}, "properties": {"delivery_tag": "t"}}


@pytest.fixture
def gateway(cloud: MemoryCloud) -> Iterator[Gateway]:
    gateway = Gateway(options(wait_time_seconds=0), lambda _, metrics: MemoryApi(cloud, metrics))
    yield gateway
    gateway.close()


def receive(gateway: Gateway, queue: str = "q") -> Received:
    found: list[Received] = []

    def take() -> bool:
        received = gateway.receive_one(queue)
        if received is not None:
            found.append(received)
        return bool(found)

    wait_for(take, 5)
    return found[0]


def test_a_message_that_restarts_handed_back_without_beginning_it_is_no_dead_letter(
    gateway: Gateway, cloud: MemoryCloud
) -> None:
    gateway.send("q", wire.entry("q", ENVELOPE))
    for _ in range(20):
        gateway.hand_back("q", receive(gateway))
    received = receive(gateway)
    assert received.lease.receive_count < 5
    assert cloud.depth("q-dead") == (0, 0, 0)
    wait_for(lambda: sum(cloud.depth("q")) == 1, 5)


def test_one_that_cannot_be_sent_anew_is_handed_back_as_it_is(gateway: Gateway, cloud: MemoryCloud) -> None:
    gateway.send("q", wire.entry("q", ENVELOPE))
    for _ in range(3):
        gateway.give_back(receive(gateway).lease)
    cloud.fail("send_message_batch", Denied("no right"))
    gateway.hand_back("q", receive(gateway))
    assert receive(gateway).lease.receive_count == 5


def test_what_is_rejected_comes_again_later_and_later_and_is_a_dead_letter_in_the_end(
    gateway: Gateway, cloud: MemoryCloud
) -> None:
    gateway.send("q", wire.entry("q", ENVELOPE))
    for pause_s in (1, 2, 4, 8):
        gateway.reject(receive(gateway).lease)
        assert gateway._outbox.flush(5)
        cloud.advance(pause_s - 0.5)
        assert cloud.depth("q") == (0, 1, 0)
        cloud.advance(1)
    gateway.reject(receive(gateway).lease)
    wait_for(lambda: cloud.depth("q") == (1, 0, 0), 5)
    assert gateway.receive_one("q") is None
    assert cloud.depth("q-dead") == (1, 0, 0)


def test_where_there_are_no_dead_letters_what_failed_too_often_is_deleted(gateway: Gateway, cloud: MemoryCloud) -> None:
    MemoryApi(cloud, gateway._leases._api._metrics).sqs("create_queue", QueueName="q")  # type: ignore[attr-defined]
    gateway.send("q", wire.entry("q", ENVELOPE))
    for _ in range(4):
        gateway.give_back(receive(gateway).lease)
    gateway.reject(receive(gateway).lease)
    wait_for(lambda: cloud.depth("q") == (0, 0, 0), 5)


def test_a_queue_is_there_or_not_and_none_is_made_for_the_asking(gateway: Gateway, cloud: MemoryCloud) -> None:
    assert not gateway.exists("q")
    assert cloud.queues == {}
    gateway.url("q")
    assert gateway.exists("q")


def test_a_task_with_an_eta_is_refused_where_one_receive_makes_a_dead_letter(connect: Callable[..., object]) -> None:
    channel = connect(max_receive_count=1).channel()  # type: ignore[attr-defined]
    eta = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    with pytest.raises(ChannelError, match="until its ETA"):
        channel._put("orders.fifo", {**ENVELOPE, "headers": {"eta": eta}})


def test_a_close_gives_back_what_is_held_and_deletes_its_own_queues(gateway: Gateway, cloud: MemoryCloud) -> None:
    gateway.send("q", wire.entry("q", ENVELOPE))
    receive(gateway)
    gateway.listeners.use("inbox").url()
    gateway.close()
    assert set(cloud.queues) == {"q", "q-dead"}
    assert cloud.depth("q") == (1, 0, 0)
