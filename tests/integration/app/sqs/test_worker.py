"""Real Celery workers on the transport: pools, kinds of queue, countdowns, retries, poison, and what a stop leaves."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.sqs import wire
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import wait_for
from tests.support.workers import Bench


@pytest.mark.parametrize("pool", [("threads", "8"), ("prefork", "2"), ("solo", "1")], ids=lambda pool: pool[0])
def test_every_pool_runs_each_task_once_and_leaves_the_queue_empty(bench: Bench, pool: tuple[str, str]) -> None:
    bench.send(bench.app(), "work", 60)
    bench.worker("-P", pool[0], "-c", pool[1])
    wait_for(lambda: len(bench.done()) == 60, 60)
    wait_for(lambda: bench.depth() == (0, 0, 0), 10)
    assert set(bench.done().values()) == {1}


def test_a_worker_serves_several_queues_in_turn(bench: Bench) -> None:
    app = bench.app()
    for queue in ("a", "b"):
        for number in range(10):
            app.send_task("work", (number,), queue=f"{bench.name}-{queue}")
    bench.worker("-P", "threads", "-c", "2", "-Q", f"{bench.name}-a,{bench.name}-b")
    wait_for(lambda: sum(bench.done().values()) == 20, 30)
    wait_for(lambda: bench.depth(f"{bench.name}-a") == bench.depth(f"{bench.name}-b") == (0, 0, 0), 10)


def test_one_task_passes_all_that_wait_in_a_background_queue_and_a_retry_stays_in_it(bench: Bench) -> None:
    behind = f"{bench.name}-behind"
    app = bench.app(options={"background_queues": [behind]})
    for number in range(100, 160):
        app.send_task("work", (number, 0.2), queue=behind)
    bench.worker("-P", "threads", "-c", "2", "-Q", f"{bench.name},{behind}", options={"background_queues": [behind]})
    wait_for(lambda: sum(bench.done().values()) >= 4, 30)
    app.send_task("work", (1, 0.2))
    wait_for(lambda: bench.done()[1], 30)
    at = next(n for n, line in enumerate(bench.lines(what="end")) if line["number"] == 1)
    assert at < 30, "most of what was sent before it comes after it"
    wait_for(lambda: sum(bench.done().values()) == 61, 60)
    app.send_task("again", (2, 2.0), queue=behind)
    wait_for(lambda: bench.depth(behind) == (0, 0, 1), 10)
    assert bench.depth() == (0, 0, 0)


def test_a_fifo_queue_keeps_the_order_of_a_group(bench: Bench) -> None:
    name = f"{bench.name}.fifo"
    app = bench.app()
    for number in range(20):
        app.send_task("work", (number,), queue=name, properties={"MessageGroupId": "one"})
    bench.worker("-P", "solo", "-Q", name)
    wait_for(lambda: len(bench.done()) == 20, 30)
    assert [line["number"] for line in bench.lines(what="end")] == list(range(20))


def test_a_worker_that_is_busy_with_a_long_task_keeps_no_quick_ones_from_an_idle_worker(bench: Bench) -> None:
    app = bench.app()
    bench.send(app, "work", 60)  # quick ones: it reads ahead
    app.send_task("work", (1000, 12.0))
    for number in range(100, 120):
        app.send_task("work", (number,))
    bench.worker("-P", "threads", "-c", "1")
    wait_for(lambda: bench.lines(what="begin", number=1000), 60)
    bench.worker("-P", "threads", "-c", "1")
    wait_for(lambda: all(bench.done()[number] for number in range(100, 120)), 30)
    assert bench.done()[1000] == 0, "the long one runs still"


def test_queue_names_are_prefixed(bench: Bench) -> None:
    options = {"queue_name_prefix": f"{bench.name}-pre-"}
    app = bench.app(task_default_queue="short", options=dict(options))
    app.send_task("work", (1,))
    assert bench.depth(f"{bench.name}-pre-short") == (1, 0, 0)
    bench.worker(task_default_queue="short", options=dict(options))
    wait_for(lambda: bench.done()[1] == 1, 30)


def test_a_countdown_waits_in_sqs_and_not_in_a_worker(bench: Bench) -> None:
    app = bench.app()
    bench.ready_worker()
    started = time.time()
    app.send_task("work", (1,), countdown=4)
    app.send_task("work", (2,))
    wait_for(lambda: bench.done()[2] == 1 and bench.depth() == (0, 0, 1), 10)
    assert bench.lines(number=1) == []
    wait_for(lambda: bench.done()[1] == 1, 10)
    assert bench.lines(number=1, what="begin")[0]["at"] - started >= 3.9


def test_an_eta_beyond_what_sqs_can_delay_is_hidden_again_until_it_comes(bench: Bench) -> None:
    """SQS delays 15 minutes at most; a message that comes out before its ETA must not reach a worker's memory."""
    app = bench.app()
    eta = datetime.now(UTC) + timedelta(hours=10)
    app.send_task("work", (1,), eta=eta)
    url = bench.url()
    assert bench.depth() == (0, 0, 1)
    # As if 15 minutes had passed: the message is visible, its ETA is hours away.
    envelope = {
        "body": "W1sxXSwge30sIHt9XQ==", "content-type": "application/json", "content-encoding": "utf-8",
        "headers": {"task": "work", "id": "far", "lang": "py", "eta": eta.isoformat()},
        "properties": {"delivery_info": {}, "body_encoding": "base64", "correlation_id": "far"},
    }  # fmt: skip
    bench.sqs.send_message(QueueUrl=url, MessageBody=wire.encode(envelope))
    bench.ready_worker()
    wait_for(lambda: bench.depth() == (0, 1, 1), 10)
    # Hidden, and not held: what comes next is received and done, and it has not come back meanwhile.
    bench.app().send_task("work", (2,))
    wait_for(lambda: bench.done()[2] == 1 and bench.depth() == (0, 1, 1), 10)
    inspect = bench.inspect()
    assert [*inspect.scheduled().values(), *inspect.reserved().values()] == [[], []]
    (counters,) = inspect._request("sqs").values()
    assert counters["api_calls"]["change_message_visibility_batch"] == 1
    assert bench.lines(number=1) == []


def test_retries_wait_in_sqs_and_succeed_in_the_end(bench: Bench) -> None:
    bench.app().send_task("again", (7, 1))
    bench.worker()
    wait_for(lambda: len(bench.lines(task="again")) == 3, 30)
    wait_for(lambda: bench.depth() == (0, 0, 0), 10)
    assert [line["retries"] for line in bench.lines(task="again")] == [0, 1, 2]


def test_a_task_that_always_raises_ends_in_the_dead_letter_queue_and_delays_no_neighbour(bench: Bench) -> None:
    app = bench.app()
    app.send_task("fail", (0,))
    bench.ready_worker()
    wait_for(lambda: bench.lines(task="fail"), 10)
    bench.send(app, "work", 100)
    wait_for(lambda: len(bench.done()) == 100, 20)
    assert len(bench.lines(task="fail")) < 5, "the neighbours were done while it was still being tried"
    wait_for(lambda: bench.depth(f"{bench.name}-dead") == (1, 0, 0), 60)
    assert len(bench.lines(task="fail")) == 5
    assert bench.depth() == (0, 0, 0)


def test_a_message_that_is_no_task_ends_in_the_dead_letter_queue(bench: Bench) -> None:
    bench.app(options={"max_receive_count": 2}).send_task("work", (1,))
    bench.sqs.send_message(QueueUrl=bench.url(), MessageBody="not a task")
    bench.worker()
    wait_for(lambda: bench.done()[1] == 1, 30)
    wait_for(lambda: bench.depth(f"{bench.name}-dead") == (1, 0, 0), 30)


def test_a_task_three_times_as_long_as_the_visibility_timeout_runs_once(bench: Bench) -> None:
    bench.send(bench.app(), "work", 4, 6.0)
    for _ in range(2):
        bench.worker("-P", "threads", "-c", "4", options={"visibility_timeout": 2})
    wait_for(lambda: len(bench.done()) == 4, 60)
    wait_for(lambda: bench.depth() == (0, 0, 0), 10)
    assert len(bench.lines(what="begin")) == 4
    assert "lease_lost" not in bench.worker_log(0).read_text() + bench.worker_log(1).read_text()


def test_what_a_killed_worker_held_runs_elsewhere_once_its_leases_end(bench: Bench) -> None:
    options = {"visibility_timeout": 4}
    bench.send(bench.app(), "work", 20, 1.0)
    first = bench.ready_worker("-P", "threads", "-c", "4", options=dict(options))
    wait_for(lambda: bench.lines(what="begin"), 10)
    first.send_signal(signal.SIGKILL)
    bench.ready_worker("-P", "threads", "-c", "20", options=dict(options))
    # A lease that is not the one asked for lasts 30 s.
    wait_for(lambda: len(bench.done()) == 20, 20)
    held = {line["number"] for line in bench.lines(what="begin", pid=first.pid)}
    again = [line for line in bench.lines(what="begin") if line["number"] in held and line["pid"] != first.pid]
    assert again, "what it had begun was begun again"


@pytest.mark.parametrize("ask", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_gives_back_what_was_read_ahead_and_not_begun(bench: Bench, ask: signal.Signals) -> None:
    app = bench.app()
    bench.send(app, "work", 60, 0.05)
    process = bench.ready_worker("-P", "threads", "-c", "2")
    wait_for(lambda: len(bench.done()) >= 30, 20)  # it is quick, so it reads ahead
    bench.send(app, "work", 20, 3.0)
    wait_for(lambda: bench.depth()[1] > 2, 10)
    process.send_signal(ask)
    # The two that run may end; all the others are there for anyone at once, not after a visibility timeout of 30 s.
    wait_for(lambda: bench.depth()[1] <= 2, 10)
    process.wait(40)
    wait_for(lambda: bench.depth()[1] == 0, 5)


def test_a_stopped_workers_messages_are_all_done_by_the_next(bench: Bench) -> None:
    app = bench.app()
    bench.send(app, "work", 200, 0.02)
    first = bench.ready_worker("-P", "threads", "-c", "4")
    wait_for(lambda: len(bench.done()) >= 50, 20)
    first.send_signal(signal.SIGTERM)
    bench.worker("-P", "threads", "-c", "4")
    first.wait(20)
    wait_for(lambda: len(bench.done()) == 200, 30)
    wait_for(lambda: bench.depth() == (0, 0, 0), 10)
    assert set(bench.done().values()) == {1}
    assert first.returncode == 0


def test_a_worker_makes_three_calls_for_ten_no_op_tasks_at_most(bench: Bench, proxy: FaultProxy) -> None:
    app = bench.app()
    bench.ready_worker(options={"endpoint_url": proxy.endpoint_url})
    proxy.calls.clear()
    bench.send(app, "noop", 1000)
    wait_for(lambda: bench.depth() == (0, 0, 0), 20)
    calls = proxy.calls["ReceiveMessage"] + proxy.calls["DeleteMessageBatch"] + proxy.calls["DeleteMessage"]
    assert calls <= 300, proxy.calls
    assert proxy.calls["DeleteMessage"] == 0
