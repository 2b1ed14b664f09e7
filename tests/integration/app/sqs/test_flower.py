"""Flower, unmodified and a process of its own, sees our workers and their tasks through the transport."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.local.cloud import free_port
from app.sqs.owner import OWNER
from tests.support.waiting import wait_for
from tests.support.workers import ROOT, Bench

Ask = Callable[..., Any]


@pytest.fixture
def flower(bench: Bench) -> Iterator[tuple[subprocess.Popen[bytes], Ask]]:
    """Flower's process, and a function that asks its API."""
    port = free_port()
    environment = {
        **os.environ,
        "SAMPLE": json.dumps(bench.conf()),
        "SAMPLE_LOG": str(bench.log),
        "PYTHONPATH": str(ROOT),
        "FLOWER_UNAUTHENTICATED_API": "1",
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.support.sample", "flower",
               "--address=127.0.0.1", f"--port={port}"]  # fmt: skip
    log = bench.folder / "flower.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)

    def ask(path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{path}", method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def up() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return ask("tasks") == {}
        except OSError:
            return False

    try:
        wait_for(up, 60)
        yield process, ask
    finally:
        process.kill()
        process.wait()


def test_flower_counts_the_queue_and_lists_the_worker_its_stats_and_the_tasks_that_it_finished(
    bench: Bench, flower: tuple[subprocess.Popen[bytes], Ask]
) -> None:
    _, ask = flower
    bench.app().send_task("work", (0,), queue=bench.name, countdown=900)
    queues = ask("queues/length")["active_queues"]
    assert [(row["name"], row["messages"]) for row in queues] == [(bench.name, 1), (f"{bench.name}-dead", 0)]

    bench.ready_worker("-P", "threads", "-c", "3", "-E")
    sent = [bench.app().send_task("work", (number,)).id for number in range(5)]

    finished = wait_for(lambda: len(found := ask("tasks?state=SUCCESS")) == 5 and found, 30)
    assert set(finished) == set(sent)
    assert {task["name"] for task in finished.values()} == {"work"}
    (name,) = {task["worker"] for task in finished.values()}
    assert name.startswith(f"w0-{bench.name}@")

    # What a worker tells of itself comes by remote control and its replies.
    workers = wait_for(lambda: (found := ask("workers?refresh=1")).get(name, {}).get("stats") and found, 30)
    assert workers[name]["stats"]["pool"]["max-concurrency"] == 3
    assert workers[name]["stats"]["total"] == {"work": 5}
    assert {"noop", "work", "fail", "again"} <= set(workers[name]["registered"])
    assert [queue["name"] for queue in workers[name]["active_queues"]] == [bench.name]
    assert ask("workers?status=1") == {name: True}


def test_flower_can_stop_a_worker(bench: Bench, flower: tuple[subprocess.Popen[bytes], Ask]) -> None:
    _, ask = flower
    process = bench.ready_worker("-E")
    name = wait_for(lambda: next(iter(ask("workers?refresh=1")), None), 30)
    assert ask(f"worker/shutdown/{name}", "POST") == {"message": "Shutting down!"}
    assert process.wait(30) == 0


def test_flowers_queues_go_with_it(bench: Bench, flower: tuple[subprocess.Popen[bytes], Ask]) -> None:
    process, _ = flower
    bench.ready_worker("-E")
    owned = wait_for(lambda: _queues_of(bench, process.pid), 20)
    assert any("celeryev" in name for name in owned)
    process.terminate()
    process.wait(30)
    assert _queues_of(bench, process.pid) == []


def _queues_of(bench: Bench, pid: int) -> list[str]:
    urls = [bench.url(name) for name in bench.queues("celery-on-")]
    tags = {url: bench.sqs.list_queue_tags(QueueUrl=url).get("Tags", {}) for url in urls}
    return [url for url, tag in tags.items() if f"/{pid}/" in tag.get(OWNER, "")]
