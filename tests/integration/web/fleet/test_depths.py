"""The two queues' depths, as the monitor and the metrics have them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app import aws
from app.aws.queues import dead_letter_queue
from app.domain import QueueDepth
from app.settings import Settings
from tests.support.clock import Clock
from tests.support.fault_proxy import FaultProxy
from web.fleet.depths import KEPT_S, DepthReader, Depths

COUNT = "GetQueueAttributes"
EMPTY = Depths(QueueDepth(0, 0, 0), 0)


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def reader(config: Settings, proxy: FaultProxy, clock: Clock) -> DepthReader:
    return DepthReader(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)), clock)


def send(config: Settings, queue: str) -> None:
    sqs = aws.client("sqs", config.aws)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody="x")


def test_both_queues_are_told_apart(config: Settings, reader: DepthReader) -> None:
    send(config, config.queue.name)
    send(config, config.queue.name)
    send(config, dead_letter_queue(config.queue.name))
    send(config, config.queue.bulk)
    assert reader.read() == Depths(QueueDepth(3, 0, 0), 1)
    assert reader.read().waiting == {config.queue.name: 2, config.queue.bulk: 1}


def test_what_was_read_is_kept_for_a_few_seconds(
    config: Settings, reader: DepthReader, proxy: FaultProxy, clock: Clock
) -> None:
    assert reader.read() == EMPTY
    send(config, config.queue.name)
    clock.now += KEPT_S
    assert reader.read() == EMPTY
    assert proxy.calls[COUNT] == 3
    clock.now += 0.1
    assert reader.read() == Depths(QueueDepth(1, 0, 0), 0)
    assert proxy.calls[COUNT] == 6


def test_those_who_ask_at_the_same_time_share_the_calls(reader: DepthReader, proxy: FaultProxy) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: reader.read(), range(100))) == {EMPTY}
    assert proxy.calls[COUNT] == 3


def test_an_answer_that_does_not_come_is_said_in_words_and_asked_for_no_more_often(
    reader: DepthReader, proxy: FaultProxy, clock: Clock
) -> None:
    proxy.fault(COUNT, "403")
    with capture_logs() as logs:
        for _ in range(3):
            found = reader.read()
    assert (found.queue, found.dead_letters) == (None, None)
    assert found.problem is not None
    assert "reading the depth of queue" in found.problem
    assert proxy.calls[COUNT] == 1
    assert [told["event"] for told in logs] == ["depth_unknown"]


def test_of_a_series_of_failures_the_first_is_logged_and_of_the_next_series_too(
    reader: DepthReader, proxy: FaultProxy, clock: Clock
) -> None:
    def read() -> str | None:
        clock.now += KEPT_S + 1
        return reader.read().problem

    with capture_logs() as logs:
        proxy.fault(COUNT, "403")
        assert all(read() for _ in range(3))
        proxy.mend()
        assert read() is None
        proxy.fault(COUNT, "403")
        assert read()
    assert [told["event"] for told in logs] == ["depth_unknown"] * 2


def test_a_queue_that_is_missing_is_named(config: Settings) -> None:
    found = DepthReader(replace(config, queue=replace(config.queue, name="no-such-queue"))).read()
    assert found.problem is not None
    assert "no-such-queue" in found.problem
