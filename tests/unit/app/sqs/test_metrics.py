"""The transport's counters: counts by name and calls by action, from any number of threads."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from app.sqs.metrics import Metrics


def test_what_was_counted_is_in_the_snapshot_with_the_calls_by_action() -> None:
    metrics = Metrics()
    metrics.count("received", 10)
    metrics.count("in_flight")
    metrics.count("in_flight", -1)
    metrics.called("receive_message")
    metrics.called("receive_message")
    metrics.called("publish")
    assert metrics.snapshot() == {
        "received": 10,
        "in_flight": 0,
        "api_calls": {"receive_message": 2, "publish": 1},
    }


def test_a_snapshot_stays_as_it_was_and_can_be_sent() -> None:
    metrics = Metrics()
    metrics.called("publish")
    before = metrics.snapshot()
    metrics.called("publish")
    metrics.count("received")
    assert before == {"api_calls": {"publish": 1}}
    assert json.loads(json.dumps(metrics.snapshot())) == metrics.snapshot()


def test_no_count_of_a_thread_is_lost() -> None:
    metrics = Metrics()

    def count(_: int) -> None:
        for _ in range(5000):
            metrics.count("received")
            metrics.called("publish")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(8)))
    assert metrics.snapshot() == {"received": 40_000, "api_calls": {"publish": 40_000}}
