"""What people use of Celery beside plain tasks: canvas, limits, pools that change, beat, publishers of each kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import wait_for
from tests.support.workers import ROOT, Bench


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Any]:
    """Have results kept in files."""
    (folder := tmp_path / "results").mkdir()
    return {"result_backend": f"file://{folder}", "task_ignore_result": False}


def program(bench: Bench, code: str, **conf: Any) -> str:
    """Run a program that uses the sample application, and return what it said."""
    environment = {
        **os.environ,
        "SAMPLE": json.dumps(bench.conf(**conf)),
        "SAMPLE_LOG": str(bench.log),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def pids(bench: Bench, task: str = "work") -> set[int]:
    return {line["pid"] for line in bench.lines(task=task, what="begin")}


def test_groups_chains_and_chords_give_their_results(bench: Bench, results: dict[str, Any]) -> None:
    bench.ready_worker("-P", "threads", "-c", "4", **results)
    said = program(
        bench,
        """
from celery import chain, chord, group
from tests.support.sample import add, app, total
app.set_current()
print(group(add.s(n, n) for n in range(5)).delay().get(timeout=30))
print(chain(add.s(1, 1), add.s(10), add.s(100)).delay().get(timeout=30))
print(chord((add.s(n, 1) for n in range(5)), total.s()).delay().get(timeout=60))
""",
        **results,
    )
    assert said.splitlines() == ["[0, 2, 4, 6, 8]", "112", "15"]
    wait_for(lambda: bench.depth() == (0, 0, 0), 20)


def test_a_rate_limit_is_kept_and_no_task_is_lost_for_it(bench: Bench) -> None:
    bench.send(bench.app(), "limited", 7)
    bench.worker("-P", "threads", "-c", "4", options={"visibility_timeout": 2})
    wait_for(lambda: len(bench.lines(task="limited")) == 7, 60)
    begun = sorted(line["at"] for line in bench.lines(task="limited"))
    assert begun[6] - begun[0] > 2, "seven at two a second take three seconds, and more than a lease"
    wait_for(lambda: bench.depth() == (0, 0, 0), 10)
    assert sorted(line["number"] for line in bench.lines(task="limited")) == list(range(7))


def test_a_task_over_its_time_limit_is_ended_once_and_its_neighbours_go_on(bench: Bench) -> None:
    app = bench.app()
    bench.send(app, "ended", 1)
    bench.send(app, "work", 5)
    bench.worker("-P", "prefork", "-c", "2")
    wait_for(lambda: len(bench.done()) == 5 and bench.depth() == (0, 0, 0), 60)
    assert [line["what"] for line in bench.lines(task="ended")] == ["begin"]


def test_children_are_replaced_after_so_many_tasks(bench: Bench) -> None:
    bench.send(bench.app(), "work", 12)
    bench.worker("-P", "prefork", "-c", "2", "--max-tasks-per-child", "2")
    wait_for(lambda: len(bench.done()) == 12 and bench.depth() == (0, 0, 0), 60)
    assert set(bench.done().values()) == {1}
    assert len(pids(bench)) >= 6


def test_a_pool_grows_with_its_work(bench: Bench) -> None:
    bench.ready_worker("-P", "prefork", "--autoscale", "3,1")
    bench.send(bench.app(), "work", 12, 1.5)
    wait_for(lambda: len(bench.done()) == 12, 60)
    assert len(pids(bench)) > 1
    assert set(bench.done().values()) == {1}


def test_a_running_task_that_is_revoked_with_terminate_ends_and_does_not_come_again(bench: Bench) -> None:
    bench.ready_worker("-P", "prefork", "-c", "1")
    app = bench.app()
    sent = app.send_task("work", (0, 60.0))
    wait_for(lambda: bench.lines(task="work", what="begin"), 30)
    app.control.revoke(sent.id, terminate=True, signal="SIGKILL")
    bench.send(app, "work", 2)
    wait_for(lambda: bench.done()[1] == 1 and bench.depth() == (0, 0, 0), 60)
    assert len(bench.lines(task="work", number=0, what="begin")) <= 2


def test_beat_sends_what_is_due(bench: Bench, tmp_path: Path) -> None:
    due = {"every-second": {"task": "work", "schedule": 1.0, "args": [7]}}
    environment = {
        **os.environ,
        "SAMPLE": json.dumps(bench.conf(beat_schedule=due)),
        "SAMPLE_LOG": str(bench.log),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    bench.ready_worker("-P", "threads", "-c", "2")
    command = [sys.executable, "-m", "celery", "-A", "tests.support.sample", "beat", "-s", str(tmp_path / "schedule")]
    beat = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: bench.done()[7] >= 3, 40)
    finally:
        beat.terminate()
        beat.wait(20)


ASYNC = """
import asyncio
from app.sqs import bulk
from tests.support.sample import app
async def publish(number):
    await asyncio.to_thread(app.send_task, "work", (number,))
async def gathered(first):
    with bulk():
        for number in range(first, first + 10):
            app.send_task("work", (number,))
            await asyncio.sleep(0)
async def main():
    await asyncio.gather(*(publish(number) for number in range(10)), gathered(10), gathered(20))
asyncio.run(main())
"""
GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent
from tests.support.sample import app
gevent.joinall([gevent.spawn(app.send_task, "work", (number,)) for number in range(30)], raise_error=True, timeout=60)
"""


@pytest.mark.parametrize("code", [ASYNC, GEVENT], ids=["asyncio", "gevent"])
def test_publishers_of_each_kind_publish_each_message_once(bench: Bench, code: str) -> None:
    if code is GEVENT:
        pytest.importorskip("gevent")
    program(bench, code)
    bench.worker("-P", "threads", "-c", "4")
    wait_for(lambda: len(bench.done()) == 30 and bench.depth() == (0, 0, 0), 60)
    assert set(bench.done().values()) == {1}
