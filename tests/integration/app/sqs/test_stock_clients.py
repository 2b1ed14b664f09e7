"""Wire compatibility with kombu's own ``sqs://`` transport: one side is stock Celery, the other ours, on one queue."""

from __future__ import annotations

import time
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from kombu.transport import SQS

from app.local import EmbeddedCloud
from app.sqs import Transport, bulk
from tests.support.waiting import wait_for
from tests.support.workers import Bench

STOCK_OPTIONS = {"region": "us-east-1", "is_secure": False, "polling_interval": 0.05, "wait_time_seconds": 1}


@pytest.fixture(autouse=True)
def _endpoint(cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stock finds the embedded cloud, as any boto3 does."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint_url)


def stock(**options: Any) -> dict[str, Any]:
    """Return what makes an application of the sample's use kombu's own transport."""
    return {"broker_transport": None, "options": {**STOCK_OPTIONS, **options}}


def client(bench: Bench, **extra: Any) -> Any:
    app = bench.app(**extra)
    expected = SQS.Transport if "broker_transport" in extra else Transport
    assert type(app.connection().transport) is expected
    return app


def ready_worker(bench: Bench, **extra: Any) -> Popen[bytes]:
    process = bench.ready_worker("-P", "threads", "-c", "4", **extra)
    # kombu's own transport is the one that needs pycurl, and loads it with its first poll.
    mapped = Path(f"/proc/{process.pid}/maps")
    if "broker_transport" in extra:
        wait_for(lambda: "pycurl" in mapped.read_text(), 10)
    else:
        assert "pycurl" not in mapped.read_text()
    return process


@pytest.mark.parametrize("base64", [True, False])
def test_what_a_stock_client_submits_our_worker_runs(bench: Bench, base64: bool) -> None:
    app = client(bench, **stock(sqs_base64_encoding=base64))
    for number in range(20):
        app.send_task("work", (number,), {"seconds": 0.01})
    ready_worker(bench)
    wait_for(lambda: len(bench.done()) == 20, 30)
    wait_for(lambda: bench.depth() == (0, 0, 0), 10)
    assert set(bench.done().values()) == {1}


@pytest.mark.parametrize("base64", [True, False])
def test_what_our_client_submits_one_by_one_or_in_bulk_a_stock_worker_runs(bench: Bench, base64: bool) -> None:
    app = client(bench, options={"sqs_base64_encoding": base64})
    app.send_task("work", (0,), {"seconds": 0.01})
    with bulk():
        for number in range(1, 25):
            app.send_task("work", (number,), {"seconds": 0.01})
    ready_worker(bench, **stock(sqs_base64_encoding=base64))
    wait_for(lambda: len(bench.done()) == 25, 60)
    wait_for(lambda: bench.depth() == (0, 0, 0), 10)
    assert set(bench.done().values()) == {1}


def test_a_stock_clients_countdown_is_kept_by_our_worker_without_holding_the_task(bench: Bench) -> None:
    app = client(bench, **stock())
    ready_worker(bench)
    started = time.time()
    app.send_task("work", (1,), countdown=5)
    # Stock does not delay the message; our worker hides it again, and SQS keeps it until it is due.
    wait_for(lambda: bench.depth() == (0, 1, 0), 4)
    inspect = bench.inspect()
    assert [*inspect.scheduled().values(), *inspect.reserved().values()] == [[], []]
    wait_for(lambda: bench.done()[1] == 1, 20)
    assert bench.lines(what="begin")[0]["at"] - started >= 5


def test_our_clients_countdown_is_kept_by_a_stock_worker(bench: Bench) -> None:
    app = client(bench)
    ready_worker(bench, **stock())
    started = time.time()
    app.send_task("work", (1,), countdown=4)
    assert bench.depth() == (0, 0, 1)
    wait_for(lambda: bench.done()[1] == 1, 20)
    assert bench.lines(what="begin")[0]["at"] - started >= 3.9


def test_a_retry_that_our_worker_left_in_sqs_ends_with_a_stock_worker(bench: Bench) -> None:
    ours = ready_worker(bench)
    client(bench).send_task("again", (1, 3))
    wait_for(lambda: bench.lines(task="again"), 20)
    ours.terminate()
    ours.wait(30)
    theirs = ready_worker(bench, **stock())
    wait_for(lambda: len(bench.lines(task="again")) == 3, 60)
    assert [line["retries"] for line in bench.lines(task="again")] == [0, 1, 2]
    assert [line["pid"] for line in bench.lines(task="again")] == [ours.pid, theirs.pid, theirs.pid]


def test_both_kinds_of_worker_share_a_queue_and_no_task_runs_twice(bench: Bench) -> None:
    ours, theirs = ready_worker(bench), ready_worker(bench, **stock())
    bench.send(client(bench), "work", 60, 0.1)
    wait_for(lambda: len(bench.done()) == 60, 60)
    wait_for(lambda: bench.depth() == (0, 0, 0), 10)
    assert set(bench.done().values()) == {1}
    assert {line["pid"] for line in bench.lines(what="end")} == {ours.pid, theirs.pid}
