"""What the transport benchmark measures on one side: throughput, CPU time, publishing, API calls, and idleness."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import psutil
from _transport_sides import OURS, ROOT, Side
from celery import Celery

from app.sqs import bulk
from tests.support.recording_proxy import RecordingProxy

PREFORK, THREADS = ("prefork", 2), ("threads", 8)
PATIENCE_S = 180
WARM_UP = 30
# An idle worker's first polls are short.
SETTLE_S = 15
# A round lasts about this long, so that a slow side has fewer tasks to do.
ROUND_S = 3.0
MOST_TASKS, FEWEST_TASKS = 5000, 30


class Queue:
    """A task queue of the embedded cloud, filled and watched by the benchmark itself."""

    def __init__(self, endpoint_url: str, name: str) -> None:
        self.name = name
        self._app = Celery("filler", broker="sqs://", set_as_current=False)
        self._app.conf.update(
            {**OURS, "broker_transport_options": {"endpoint_url": endpoint_url}}, task_default_queue=name
        )
        self._sqs: Any = boto3.session.Session().client("sqs", region_name="us-east-1", endpoint_url=endpoint_url)
        self._app.connection().default_channel.queue_declare(name)
        self._url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]

    def fill(self, count: int) -> None:
        """Put ``count`` no-op tasks into the queue; every side reads the same format."""
        with bulk():
            for _ in range(count):
                self._app.send_task("noop", ignore_result=True)

    def put(self, task: str, *arguments: float) -> None:
        """Put one task into the queue."""
        self._app.send_task(task, arguments, ignore_result=True)

    def read_ahead(self, running: int) -> int:
        """Return how many messages are in flight beyond ``running``, once only long tasks are left."""
        return self._wait(lambda counts: sum(counts) <= WARM_UP and counts[1] > running, 0.01)[1] - running

    def wait_until_in_flight(self, running: int) -> float:
        """Return the monotonic time when no more than ``running`` messages were in flight."""
        self._wait(lambda counts: counts[1] <= running, 0.01)
        return time.monotonic()

    def wait_until_empty(self) -> float:
        """Return the monotonic time when no message was left: visible, in flight or delayed."""
        self._wait(lambda counts: not sum(counts), 0.05)
        return time.monotonic()

    def _wait(self, condition: Callable[[list[int]], bool], every_s: float) -> list[int]:
        """Return the counts once they are as ``condition`` says.

        Raises:
            SystemExit: they are not after three minutes.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not condition(counts := self._counts()):
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name}: {counts} messages visible, in flight and delayed after {PATIENCE_S} s")
            time.sleep(every_s)
        return counts

    def _counts(self) -> list[int]:
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])["Attributes"]
        return [int(found[f"ApproximateNumberOfMessages{suffix}"]) for suffix in ("", "NotVisible", "Delayed")]


class Worker:
    """A worker process of one side."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def cpu_s(self) -> float:
        """Return the CPU seconds that it and its children have used."""
        parent = psutil.Process(self._process.pid)
        times = [process.cpu_times() for process in [parent, *parent.children(recursive=True)]]
        return float(sum(spent.user + spent.system for spent in times))

    def stop(self) -> float:
        """Ask it to stop as an instance's end does, by SIGTERM; return the monotonic time."""
        self._process.terminate()
        return time.monotonic()

    def freeze(self, frozen: bool) -> None:
        """Stop its processes, or let them go on."""
        os.killpg(self._process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)


@contextmanager
def worker(side: Side, endpoint_url: str, queue: str, pool: tuple[str, int]) -> Iterator[Worker]:
    """Run a worker of ``side``; it is killed in the end."""
    command = [side.python, "-m", "celery", "-A", "_transport_app", "worker", "-l", "WARNING", "-n", f"{queue}@%h",
               "-P", pool[0], "-c", str(pool[1]), "--without-gossip", "--without-mingle"]  # fmt: skip
    process = subprocess.Popen(
        command, env=_environment(side, endpoint_url, queue), cwd=ROOT / "tests" / "benchmarks",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield Worker(process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def publisher(side: Side, endpoint_url: str, queue: str) -> Iterator[Any]:
    """Run a publisher of ``side``, warmed up; yield a function that publishes so many tasks.

    It returns the seconds that this took, and the CPU seconds.
    """
    command = [side.python, "_transport_app.py"]
    process = subprocess.Popen(
        command, env=_environment(side, endpoint_url, queue), cwd=ROOT / "tests" / "benchmarks", text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None

    def publish(count: int) -> list[float]:
        process.stdin.write(f"{count}\n")
        process.stdin.flush()
        return [float(number) for number in process.stdout.readline().split()]

    try:
        publish(WARM_UP)
        yield publish
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _environment(side: Side, endpoint_url: str, queue: str) -> dict[str, str]:
    return {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint_url,
        "TRANSPORT": json.dumps({**side.conf, "task_default_queue": queue}),
        "PYTHONPATH": str(ROOT) if side.name == "ours" else "",
    }


def throughput(side: Side, endpoint_url: str, pool: tuple[str, int], rounds: int) -> dict[str, Any]:
    """Return the median of tasks per second and of the worker's core-milliseconds per task.

    The worker is frozen while the queue is filled, so that nothing is measured but its work.
    """
    queue = Queue(endpoint_url, f"{side.name}-{pool[0]}")
    with worker(side, endpoint_url, queue.name, pool) as under_test:
        queue.fill(WARM_UP)
        queue.wait_until_empty()
        calibration = _round(under_test, queue, FEWEST_TASKS * 2)
        calibration = _round(under_test, queue, _count(calibration["per_s"]))
        tasks = _count(calibration["per_s"])
        measured = [_round(under_test, queue, tasks) for _ in range(rounds)]
    medians = {key: round(statistics.median(one[key] for one in measured), 3) for key in measured[0]}
    return {**medians, "tasks": tasks, "rounds_per_s": [round(one["per_s"], 1) for one in measured]}


def _count(per_s: float) -> int:
    return max(FEWEST_TASKS, min(MOST_TASKS, int(per_s * ROUND_S)))


def _round(under_test: Worker, queue: Queue, tasks: int) -> dict[str, float]:
    under_test.freeze(True)
    queue.fill(tasks)
    spent_s, started = under_test.cpu_s(), time.monotonic()
    under_test.freeze(False)
    seconds = queue.wait_until_empty() - started
    return {"per_s": tasks / seconds, "core_ms": (under_test.cpu_s() - spent_s) * 1000 / tasks}


def publishing(side: Side, endpoint_url: str, rounds: int, count: int = 1000) -> dict[str, Any]:
    """Return the median of the seconds that publishing ``count`` tasks takes."""
    queue = f"{side.name}-publish"
    Queue(endpoint_url, queue)
    with publisher(side, endpoint_url, queue) as publish:
        measured = [publish(count) for _ in range(rounds)]
    seconds, cpu_s = (round(statistics.median(one), 3) for one in zip(*measured, strict=True))
    return {"seconds": seconds, "cpu_s": cpu_s, "rounds_s": [round(one, 3) for one, _ in measured]}


def celerys_own(side: Side, rounds: int, count: int = 1000) -> float:
    """Return the median of the CPU seconds that Celery alone takes to publish ``count`` tasks, into its own memory."""
    in_memory = Side(side.name, side.python, {"broker_url": "memory://"})
    with publisher(in_memory, "", "memory") as publish:
        return round(statistics.median(publish(count)[1] for _ in range(rounds)), 3)


def calls(side: Side, cloud_url: str, count: int) -> dict[str, Any]:
    """Return the SQS calls that ``count`` tasks cost, published while a worker waits; polls in vain are left out."""
    queue = Queue(cloud_url, f"{side.name}-calls")
    with (
        RecordingProxy(cloud_url) as proxy,
        worker(side, proxy.endpoint_url, queue.name, THREADS),
        publisher(side, proxy.endpoint_url, queue.name) as publish,
    ):
        queue.wait_until_empty()
        proxy.log.clear()
        publish(count)
        queue.wait_until_empty()
        log = list(proxy.log)
    actions = Counter("polls in vain" if call.in_vain else call.action for call in log)
    paid = sum(call.service == "sqs" and not call.in_vain for call in log)
    return {"per_task": round(paid / count, 3), "tasks": count, "by_action": dict(actions)}


def idle(side: Side, cloud_url: str, seconds: float) -> dict[str, Any]:
    """Return what a worker without work costs: SQS calls per hour and polled queue, and CPU in percent of a core.

    Polls are extrapolated from the time between a queue's polls, everything else from how often it came in ``seconds``.
    Heartbeats, which stock cannot send, go through SNS and are counted apart.
    """
    queue = Queue(cloud_url, f"{side.name}-idle")
    with RecordingProxy(cloud_url) as proxy, worker(side, proxy.endpoint_url, queue.name, THREADS) as under_test:
        queue.fill(1)
        queue.wait_until_empty()
        time.sleep(SETTLE_S)
        proxy.log.clear()
        spent_s, started = under_test.cpu_s(), time.monotonic()
        time.sleep(seconds)
        spent_s, window_s = under_test.cpu_s() - spent_s, time.monotonic() - started
        log = list(proxy.log)
    polls: dict[str, list[float]] = defaultdict(list)
    for call in log:
        if call.action == "ReceiveMessage":
            polls[call.resource].append(call.at)
    polls_per_s = sum((len(at) - 1) / (at[-1] - at[0]) for at in polls.values())
    others = sum(call.service == "sqs" and call.action != "ReceiveMessage" for call in log)
    heartbeats = sum(call.service == "sns" for call in log)
    return {
        "calls_per_hour_and_queue": round(3600 * (polls_per_s + others / window_s) / len(polls), 1),
        "polled_queues": len(polls),
        "heartbeats_per_hour": round(3600 * heartbeats / window_s),
        "cpu_percent": round(100 * spent_s / window_s, 3),
        "measured_s": round(window_s),
    }


def giving_back(side: Side, endpoint_url: str, trials: int) -> dict[str, Any]:
    """Return after how many seconds from SIGTERM what a worker had read ahead, and not begun, is visible again.

    Quick tasks let it read ahead; then it runs two that are long, and holds more of them.
    """
    taken: list[float] = []
    held: list[int] = []
    for trial in range(trials):
        queue = Queue(endpoint_url, f"{side.name}-stop-{trial}")
        with worker(side, endpoint_url, queue.name, ("threads", 2)) as under_test:
            queue.fill(WARM_UP)
            queue.wait_until_empty()
            under_test.freeze(True)
            queue.fill(4 * WARM_UP)
            for _ in range(WARM_UP):
                queue.put("wait", 30.0)
            under_test.freeze(False)
            held.append(queue.read_ahead(2))
            asked = under_test.stop()
            taken.append(queue.wait_until_in_flight(2) - asked)
    return {
        "seconds": round(max(taken), 3),
        "median_s": round(statistics.median(taken), 3),
        "given_back_messages": sum(held),
        "trials": trials,
    }
