"""Publishing: batches, confirmation, limits, and errors that reach the publisher."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.errors import ConfigurationError, TransientError
from app.sqs import bulk
from app.sqs.errors import Refused, Unavailable
from app.sqs.gateway import Gateway
from app.sqs.metrics import metrics
from app.sqs.options import Options
from tests.support.fault_proxy import FaultProxy
from tests.support.workers import Bench


@pytest.fixture
def app(bench: Bench, proxy: FaultProxy) -> Any:
    app = bench.app(options={"endpoint_url": proxy.endpoint_url, "publish_timeout": 3})
    app.send_task("noop")
    proxy.calls.clear()
    return app


def test_a_publish_returns_once_the_message_is_in_the_queue(bench: Bench, app: Any) -> None:
    app.send_task("noop")
    assert bench.depth() == (2, 0, 0)


def test_bulk_sends_ten_to_a_call(bench: Bench, app: Any, proxy: FaultProxy) -> None:
    with bulk():
        for _ in range(95):
            app.send_task("noop")
    assert bench.depth()[0] == 96
    assert proxy.calls == {"SendMessageBatch": 10}


def test_an_inner_bulk_is_part_of_the_outer_one(bench: Bench, app: Any, proxy: FaultProxy) -> None:
    with bulk():
        for _ in range(5):
            with bulk():
                app.send_task("noop")
    assert proxy.calls == {"SendMessageBatch": 1}


def test_what_was_submitted_before_an_error_in_the_block_is_sent(bench: Bench, app: Any) -> None:
    def block() -> None:
        with bulk():
            app.send_task("noop")
            raise KeyError("the caller's own")

    with pytest.raises(KeyError):
        block()
    assert bench.depth()[0] == 2


def test_publishers_that_publish_at_once_share_calls(bench: Bench, app: Any, proxy: FaultProxy) -> None:
    start = threading.Barrier(20)

    def publish() -> None:
        start.wait()
        for _ in range(10):
            app.send_task("noop")

    threads = [threading.Thread(target=publish) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bench.depth()[0] == 201
    assert proxy.calls["SendMessageBatch"] < 150  # one by one it would be 200


def test_a_call_stays_within_sqs_one_mebibyte(bench: Bench, app: Any, proxy: FaultProxy) -> None:
    with bulk():
        for _ in range(10):
            app.send_task("noop", ("x" * 100_000,))  # 180 KB as it is sent
    assert bench.depth()[0] == 11
    assert proxy.calls == {"SendMessageBatch": 2}


def test_a_message_over_the_limit_is_refused_and_says_how_large_it_is(bench: Bench, app: Any) -> None:
    with pytest.raises(Refused, match=r"1,\d{3},\d{3} bytes is more than"):
        app.send_task("noop", ("x" * 1_000_000,), retry=False)
    assert bench.depth()[0] == 1


def test_a_queue_that_is_not_among_the_predefined_ones_is_refused_by_name(bench: Bench, app: Any) -> None:
    other = bench.app(options={"predefined_queues": {bench.name: {"url": bench.url()}}})
    other.send_task("noop")
    with pytest.raises(ConfigurationError, match="'elsewhere' is not in predefined_queues"):
        other.send_task("noop", queue="elsewhere", retry=False)


def test_a_right_that_is_missing_reaches_the_publisher_at_once(app: Any, proxy: FaultProxy) -> None:
    proxy.fault("SendMessageBatch", "403")
    with pytest.raises(Refused, match="AccessDenied"):
        app.send_task("noop", retry=False)
    assert proxy.faulted["SendMessageBatch"] == 1


def test_bulk_says_how_many_were_not_accepted(bench: Bench, app: Any, proxy: FaultProxy) -> None:
    proxy.fault("SendMessageBatch", "403")
    with pytest.raises(Refused, match="12 of 12 messages were not accepted"):
        bench.send(app, "noop", 12)
    assert bench.depth()[0] == 1


def test_a_publish_gives_up_with_a_transient_error_when_sqs_stays_away(app: Any, proxy: FaultProxy) -> None:
    proxy.fault("SendMessageBatch", "503")
    with pytest.raises(TransientError, match="ServiceUnavailable"):
        app.send_task("noop", retry=False)
    assert issubclass(Unavailable, TransientError)
    assert proxy.faulted["SendMessageBatch"] > 3


def test_a_short_outage_is_ridden_out(bench: Bench, app: Any, proxy: FaultProxy) -> None:
    proxy.fault("SendMessageBatch", "500")
    threading.Timer(0.5, proxy.mend).start()
    app.send_task("noop", retry=False)
    assert bench.depth()[0] == 2


def test_a_queue_that_was_deleted_is_made_anew(bench: Bench, app: Any) -> None:
    bench.sqs.delete_queue(QueueUrl=bench.url())
    app.send_task("noop", retry=False)
    assert bench.depth()[0] == 1


def test_every_queue_is_made_with_a_dead_letter_queue(bench: Bench, app: Any) -> None:
    policy = bench.sqs.get_queue_attributes(QueueUrl=bench.url(), AttributeNames=["RedrivePolicy"])["Attributes"]
    assert '"maxReceiveCount": 5' in policy["RedrivePolicy"].replace('"5"', "5")
    assert f"{bench.name}-dead" in policy["RedrivePolicy"]
    assert bench.depth(f"{bench.name}-dead") == (0, 0, 0)


def test_what_is_done_is_not_given_back_when_its_process_ends(bench: Bench, app: Any) -> None:
    gateway = Gateway(Options(endpoint_url=bench.endpoint_url))
    app.send_task("noop")
    done, held = (gateway.receive_one(bench.name) for _ in range(2))
    assert done is not None
    assert held is not None
    refused = metrics.snapshot().get("refused", 0)
    assert gateway.delete(done.lease)
    gateway.close()
    assert bench.depth() == (1, 0, 0)
    assert metrics.snapshot().get("refused", 0) == refused, "nothing was asked for what is gone"
