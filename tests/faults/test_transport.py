"""Each call to AWS broken in each manner while 200 tasks are to be done: all are done, the worker soon at it again.

One worker lives through all of it. A trial: the fault begins, 200 tasks are there, the fault ends when it was met.
"""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.local import EmbeddedCloud
from app.local.cloud import free_port
from app.sqs import bulk
from app.sqs.errors import Refused
from app.sqs.metrics import metrics
from tests.support.fault_proxy import FAULTS, FaultProxy
from tests.support.waiting import wait_for
from tests.support.workers import Bench

TASKS = 200
# A fault lasts for so many broken calls. One that hangs is given up after 5 s, so there one is enough.
FAILURES = {**dict.fromkeys(FAULTS, 5), "hang": 1}
# A call whose answer was lost hides its messages until their leases end.
VISIBILITY_S = 6
BACK_S = 5.0
# What a worker calls a series of like failures in its log.
SERIES = {
    "ReceiveMessage": "poll queue={}",
    "DeleteMessageBatch": "outbox action=delete_message_batch queue={}",
    "Publish": "event_publish",
}

pytestmark = pytest.mark.slow

_numbers = itertools.count(0, TASKS)


@pytest.fixture(scope="module")
def worker_bench(module_bench: Bench, proxy: FaultProxy) -> Bench:
    """The one worker, behind the proxy."""
    options = {"endpoint_url": proxy.endpoint_url, "visibility_timeout": VISIBILITY_S}
    module_bench.ready_worker("-P", "threads", "-c", "4", "-E", options=options)
    return module_bench


def submit(bench: Bench, app: Any) -> range:
    """Send 200 tasks of 10 ms with numbers of their own."""
    first = next(_numbers)
    numbers = range(first, first + TASKS)
    with bulk():
        for number in numbers:
            app.send_task("work", (number, 0.01))
    return numbers


def all_done(bench: Bench, numbers: range) -> bool:
    done = bench.done()
    return all(number in done for number in numbers)


def mend_once_it_was_met(proxy: FaultProxy, action: str, kind: str) -> None:
    wait_for(lambda: proxy.faulted[action] >= FAILURES[kind], 20)
    proxy.mend()


def errors() -> int:
    """Return how many calls of this process have failed."""
    found = metrics.snapshot().get("errors", 0)
    assert isinstance(found, int)
    return found


def worker_calls(bench: Bench) -> dict[str, Any]:
    found = bench.inspect()._request("sqs")
    return dict(next(iter(found.values())))


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("action", ["ReceiveMessage", "DeleteMessageBatch", "Publish"])
def test_a_broken_call_of_the_workers_loses_nothing(
    worker_bench: Bench, proxy: FaultProxy, action: str, kind: str
) -> None:
    log = worker_bench.worker_log()
    logged_before = len(log.read_text())
    proxy.faulted.clear()
    proxy.fault(action, kind)
    numbers = submit(worker_bench, worker_bench.app())
    mend_once_it_was_met(proxy, action, kind)
    mended = time.time()
    if action == "ReceiveMessage":
        # Back at work: a poll works again, and what it brings is done.
        wait_for(lambda: [line for line in worker_bench.lines(what="begin") if line["at"] > mended], BACK_S)
    wait_for(lambda: all_done(worker_bench, numbers), VISIBILITY_S + 15)
    wait_for(lambda: worker_bench.depth() == (0, 0, 0), VISIBILITY_S + 10)
    assert worker_bench.workers[0].poll() is None, "the worker lives"
    assert proxy.faulted[action] > 0
    series = SERIES[action].format(worker_bench.name)
    begun, ended = f"{series}_failed", f"{series}_recovered"
    if kind != "malformed":  # which SQS's client takes for an empty answer
        # What hangs is known to have failed when its timeout is over, and the work may be done before.
        wait_for(lambda: begun in log.read_text()[logged_before:], 30)
    if begun in log.read_text()[logged_before:]:
        wait_for(lambda: ended in log.read_text()[logged_before:], 15)
    said = log.read_text()[logged_before:].count(begun)
    assert said == 1 or (kind == "malformed" and said == 0), f"{proxy.faulted[action]} failures in a row are said once"


@pytest.mark.parametrize("kind", FAULTS)
def test_a_broken_send_reaches_its_publisher_or_is_ridden_out(
    worker_bench: Bench, proxy: FaultProxy, kind: str
) -> None:
    """What was accepted is done; what was not raised an error, and is submitted again by its caller."""
    app = worker_bench.app(options={"endpoint_url": proxy.endpoint_url})
    proxy.faulted.clear()
    proxy.fault("SendMessageBatch", kind)
    threading.Thread(target=mend_once_it_was_met, args=(proxy, "SendMessageBatch", kind)).start()
    first = next(_numbers)
    numbers = range(first, first + TASKS)
    with ThreadPoolExecutor(8) as publishers:
        refused = sum(publishers.map(lambda number: publish(app, number), numbers))
    assert proxy.faulted["SendMessageBatch"] > 0
    assert (refused > 0) == (kind == "403"), "only a refusal is the caller's to handle within the publish timeout"
    wait_for(lambda: all_done(worker_bench, numbers), 20)


def publish(app: Any, number: int) -> int:
    """Submit until it is accepted, as a caller would; return how often it was refused."""
    refused = 0
    while True:
        try:
            app.send_task("work", (number, 0.0), retry=False)
            return refused
        except Refused:
            refused += 1
            time.sleep(0.2)


def test_a_lease_survives_every_way_in_which_its_extension_can_break(
    cloud: EmbeddedCloud, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Eight workers do 200 tasks each, some longer than their visibility, while extensions break in eight manners."""
    with ThreadPoolExecutor(len(FAULTS)) as trials:
        folders = {kind: tmp_path_factory.mktemp(kind) for kind in FAULTS}
        list(trials.map(lambda kind: work_through(cloud, folders[kind], kind), FAULTS))


def work_through(cloud: EmbeddedCloud, folder: Path, kind: str) -> None:
    """Do 196 short tasks and four of 18 s under leases of 12 s, whose extension is broken for a while.

    The first extension is due after 4 s; a call that hangs is given up after 5 s.
    """
    with FaultProxy(cloud.endpoint_url) as proxy:
        bench = Bench(folder, cloud.endpoint_url, f"lease-{kind}-{proxy.endpoint_url[-5:]}")
        try:
            app = bench.app()
            bench.ready_worker(
                "-P", "threads", "-c", "8", options={"endpoint_url": proxy.endpoint_url, "visibility_timeout": 12}
            )
            proxy.fault("ChangeMessageVisibilityBatch", kind)
            with bulk():
                for number in range(TASKS):
                    app.send_task("work", (number, 18.0 if number < 4 else 0.01))
            mend_once_it_was_met(proxy, "ChangeMessageVisibilityBatch", kind)
            wait_for(lambda: len(bench.done()) == TASKS, 60)
            wait_for(lambda: bench.depth() == (0, 0, 0), 20)
            log = bench.worker_log().read_text()
        finally:
            bench.end()
    assert len(bench.lines(task="work", what="begin")) == TASKS, "none was begun a second time"
    assert "lease_lost" not in log
    assert (log.count("lease_extension_failed"), log.count("lease_extension_recovered")) == (1, 1), f"{kind}: {log}"


def test_the_workers_errors_are_counted(worker_bench: Bench) -> None:
    counters = worker_calls(worker_bench)
    assert counters["errors"] > 0
    assert counters.get("thread_errors", 0) == 0, "every one of them was foreseen"


def test_a_cloud_that_goes_away_and_comes_back_is_carried_on_with(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The embedded cloud stops and starts again with its data: a worker and a publisher carry on by themselves."""
    data, port = tmp_path_factory.mktemp("restarted"), free_port()
    cloud = EmbeddedCloud(data, port)
    cloud.start()
    bench = Bench(tmp_path_factory.mktemp("bench"), cloud.endpoint_url, "restarted")
    try:
        app = bench.app()
        bench.ready_worker("-P", "threads", "-c", "2", options={"visibility_timeout": VISIBILITY_S})
        bench.send(app, "work", 100, 0.05)
        wait_for(lambda: len(bench.done()) > 10, 10)
        cloud.stop()
        before = errors()
        sent = threading.Thread(target=app.send_task, args=("work", (1000,)))
        sent.start()  # a publish during the outage waits for its end
        wait_for(lambda: "_failed" in bench.worker_log().read_text() and errors() > before, 20)
        assert sent.is_alive()
        cloud.start()
        sent.join(20)
        wait_for(lambda: len(bench.done()) == 101, VISIBILITY_S + 20)
        wait_for(lambda: bench.depth() == (0, 0, 0), VISIBILITY_S + 10)
        assert bench.workers[0].poll() is None
    finally:
        bench.end()
        cloud.stop()
