"""What public reports say of Celery on SQS, each as a trial that any transport can be put to.

A trial sets up the situation of its reports on a queue of its own, with real workers and a proxy for the faults, and
returns what it saw: an empty text where the promise was kept.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.support.fault_proxy import FaultProxy
from tests.support.workers import ROOT, Bench

THREADS = ("-P", "threads", "-c")
# How long a trial waits for what should happen within seconds; the machine may be busy.
PATIENCE_S = 40.0


@dataclass(frozen=True)
class Side:
    """One transport, at one queue of its own.

    Attributes:
        conf: what makes the sample application use it.
        bench: the queue and its workers.
        proxy: what stands between both and the embedded cloud.
    """

    conf: dict[str, Any]
    bench: Bench
    proxy: FaultProxy

    def worker(self, threads: int = 2, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a worker that takes work."""
        return self.bench.ready_worker(*THREADS, str(threads), *arguments, **self._conf(options))

    def send(self, task: str, numbers: range, *rest: Any, **how: Any) -> None:
        """Send one task a number, by this side's own client."""
        options = how.pop("options", {})
        app = self.bench.app(**self._conf(options))
        for number in numbers:
            app.send_task(task, (number, *rest), **how)

    def begun(self, numbers: range, task: str = "work") -> dict[int, int]:
        """Return how often each number was begun."""
        begins = [line["number"] for line in self.bench.lines(task=task, what="begin")]
        return {number: begins.count(number) for number in numbers}

    def _conf(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**self.conf, "options": {**self.conf["options"], **options}}


Trial = Callable[[Side], str]


def until(condition: Callable[[], object], seconds: float = PATIENCE_S) -> bool:
    """Wait until ``condition`` holds; return whether it came to."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return bool(condition())


def deaf(kind: str) -> Trial:
    """Return the trial of a worker whose polls fail for a while in the manner ``kind``."""

    def trial(side: Side) -> str:
        worker = side.worker()
        side.send("work", range(3))
        if not until(lambda: len(side.bench.done()) == 3):
            return "it never worked"
        side.proxy.fault("ReceiveMessage", kind)
        if not until(lambda: side.proxy.faulted["ReceiveMessage"] >= (1 if kind == "hang" else 3)):
            side.proxy.mend()
        time.sleep(1)
        side.proxy.mend()
        side.send("work", range(3, 13))
        if until(lambda: len(side.bench.done()) == 13):
            return ""
        ended = "the worker had ended" if worker.poll() is not None else "the worker lived on, deaf"
        return f"{13 - len(side.bench.done())} of 10 later tasks were not done in {PATIENCE_S:.0f} s: {ended}"

    return trial


def stopped_poll(side: Side) -> str:
    """A worker is stopped while its poll waits, and the message comes just then."""
    stranded = 0
    for number in range(4):
        worker = side.worker(2, wait_time_seconds=5)
        time.sleep(1)
        worker.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        side.send("work", range(number, number + 1))
        _ended(worker)
        time.sleep(1)
        _, in_flight, _ = side.bench.depth()
        stranded += in_flight
        side.bench.sqs.purge_queue(QueueUrl=side.bench.url())
        time.sleep(0.5)
    return f"{stranded} of 4 messages were left in flight by a worker that had ended" if stranded else ""


def stopped_backlog(how: signal.Signals) -> Trial:
    """Return the trial of a worker that is stopped with more in hand than it runs."""

    def trial(side: Side) -> str:
        worker = side.worker(1, "--prefetch-multiplier", "4")
        side.send("work", range(6), 3)
        until(lambda: side.bench.lines(task="work", what="begin"))
        worker.send_signal(how)
        _ended(worker)
        time.sleep(1)
        visible, in_flight, _ = side.bench.depth()
        return f"{in_flight} messages stayed in flight, {visible} could be had" if in_flight else ""

    return trial


def stopped_twice(side: Side) -> str:
    """A worker is stopped amid its tasks and finishes what runs; another does the rest."""
    worker = side.worker(2, "--prefetch-multiplier", "4")
    numbers = range(8)
    side.send("work", numbers, 1.5)
    until(lambda: len(side.bench.done()) >= 1)
    worker.send_signal(signal.SIGTERM)
    _ended(worker)
    side.worker(4)
    if not until(lambda: len(side.bench.done()) == len(numbers)):
        return f"{len(numbers) - len(side.bench.done())} of 8 tasks were not done"
    time.sleep(3)
    twice = [number for number, times in side.bench.done().items() if times > 1]
    return f"{len(twice)} of 8 tasks were done twice" if twice else ""


def killed(side: Side) -> str:
    """A worker is killed, at the transport's own visibility timeout; another is there."""
    worker = side.worker(2)
    side.send("work", range(2), 5)
    until(lambda: len(side.bench.lines(task="work", what="begin")) == 2)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    side.worker(2)
    if until(lambda: len(side.bench.done()) == 2, 75):
        return ""
    return f"{2 - len(side.bench.done())} of 2 tasks were not done 75 s after their worker was killed"


def long_task(side: Side) -> str:
    """A task takes three times the visibility timeout, and there are two workers."""
    for _ in range(2):
        side.worker(2, visibility_timeout=6)
    side.send("work", range(1), 18, options={"visibility_timeout": 6})
    until(lambda: side.bench.done(), 60)
    time.sleep(2)
    begun = side.begun(range(1))[0]
    return f"it was begun {begun} times" if begun != 1 else ""


def distant_eta(side: Side) -> str:
    """A task is due later than the visibility timeout, and there are two workers."""
    for _ in range(2):
        side.worker(2, visibility_timeout=6)
    side.send("work", range(1), countdown=20, options={"visibility_timeout": 6})
    until(lambda: side.bench.done(), 60)
    time.sleep(8)
    begun = side.begun(range(1))[0]
    return f"it was begun {begun} times" if begun != 1 else ""


def countdown_held(side: Side) -> str:
    """Ten tasks wait for their time, the worker that may hold them is killed, and another takes over."""
    worker = side.worker(2, visibility_timeout=60)
    side.send("work", range(10), countdown=15, options={"visibility_timeout": 60})
    time.sleep(5)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    side.worker(2, visibility_timeout=60)
    if until(lambda: len(side.bench.done()) == 10, 30):
        return ""
    return f"{10 - len(side.bench.done())} of 10 tasks were not done 20 s after their time: they went with the worker"


def hogging(side: Side) -> str:
    """Ten long tasks, a worker of one thread that has them first, and a second one."""
    side.worker(1)
    side.send("work", range(10), 1.5)
    until(lambda: side.bench.lines(task="work", what="begin"))
    side.worker(1)
    until(lambda: len(side.bench.done()) == 10, 60)
    pids = [line["pid"] for line in side.bench.lines(task="work", what="begin")]
    fewer = min(pids.count(pid) for pid in set(pids)) if len(set(pids)) > 1 else 0
    return f"the idle worker got {fewer} of 10" if fewer < 3 else ""


def rejected(side: Side) -> str:
    """Tasks raise Reject; then come others."""
    side.worker(2)
    side.send("reject", range(8))
    until(lambda: len(side.bench.lines(task="reject")) >= 8, 20)
    side.send("work", range(10))
    if not until(lambda: len(side.bench.done()) == 10):
        return f"{10 - len(side.bench.done())} of 10 tasks that came behind were not done"
    return ""


def always_failing(side: Side) -> str:
    """A task fails whenever it runs, and is not to be acknowledged then."""
    side.worker(2, visibility_timeout=6)
    side.send("fail", range(1), options={"visibility_timeout": 6})
    name = f"{side.bench.name}-dead"

    def dead() -> bool:
        with suppress(Exception):
            return side.bench.depth(name)[0] == 1
        return False

    if until(dead, 75):
        return ""
    tried = len(side.bench.lines(task="fail"))
    with suppress(Exception):
        return f"after 75 s it had run {tried} times; queue {side.bench.depth()}, dead letters {side.bench.depth(name)}"
    return f"after 75 s it had run {tried} times, and there is no dead-letter queue; queue {side.bench.depth()}"


def no_task(side: Side) -> str:
    """A message that is no task at all is before those that are."""
    worker = side.worker(2, visibility_timeout=6)
    side.bench.sqs.send_message(QueueUrl=side.bench.url(), MessageBody="<order>by another program</order>")
    time.sleep(3)
    side.send("work", range(10), options={"visibility_timeout": 6})
    if until(lambda: len(side.bench.done()) == 10):
        return ""
    ended = "the worker had ended" if worker.poll() is not None else "the worker lived on"
    return f"{10 - len(side.bench.done())} of 10 tasks behind it were not done; {ended}"


def remote_control(side: Side) -> str:
    """`celery inspect ping`."""
    side.worker(2)
    answer = _ask(side, "app.control.inspect(timeout=5).ping()")
    return "" if "pong" in answer else f"no worker answered: {answer[-200:]}"


def monitored(side: Side) -> str:
    """A monitor hears a task's events, as Flower and celery-exporter do."""
    code = (
        "import threading, time; seen = []\n"
        "def listen():\n"
        "    with app.connection() as link:\n"
        "        heard = app.events.Receiver(link, handlers={'*': lambda event: seen.append(event['type'])})\n"
        "        heard.capture(limit=None, timeout=12, wakeup=False)\n"
        "thread = threading.Thread(target=listen, daemon=True); thread.start(); time.sleep(4)\n"
        "app.send_task('work', (0,)); time.sleep(8); print(sorted(set(seen)))"
    )
    side.worker(2, "-E")
    heard = _ask(side, code, exec_=True)
    return "" if "task-succeeded" in heard else f"heard {heard[-120:].strip() or 'nothing'}"


def reply_queues(side: Side) -> str:
    """Ten short-lived programs ask the workers something."""
    worker = side.worker(2)
    before = _queues(side)
    for _ in range(5):
        _ask(side, "app.control.ping(timeout=1)")
    after = _queues(side)
    worker.send_signal(signal.SIGTERM)
    _ended(worker)
    left = sorted(set(after) - set(before))
    rest = [name for name in _queues(side) if "pidbox" in name or "-on-" in name]
    if left or rest:
        return f"{len(left)} queues of programs that had ended; {len(rest)} were left once the worker had ended too"
    return ""


def privileges(side: Side) -> str:
    """The queue is named beforehand by its address; nothing else may be listed, looked up or made."""
    url = side.bench.sqs.create_queue(QueueName=side.bench.name)["QueueUrl"]
    own = {"predefined_queues": {side.bench.name: {"url": url}}, "fanout": False}
    side.proxy.calls.clear()
    worker = side.worker(2, **own)
    side.send("work", range(5), options=own)
    until(lambda: len(side.bench.done()) == 5)
    made = {
        name: side.proxy.calls[name] for name in ("ListQueues", "CreateQueue", "GetQueueUrl") if side.proxy.calls[name]
    }
    worker.send_signal(signal.SIGTERM)
    _ended(worker)
    if len(side.bench.done()) != 5:
        return "its tasks were not done"
    return f"calls that need more rights: {made}" if made else ""


def calls(side: Side) -> str:
    """Three hundred tasks that do nothing: what they cost in requests."""
    side.send("noop", range(300))
    side.proxy.calls.clear()
    side.worker(8)
    until(lambda: side.bench.depth() == (0, 0, 0), 60)
    receives, deletes = (
        side.proxy.calls["ReceiveMessage"],
        sum(count for name, count in side.proxy.calls.items() if name.startswith(("DeleteMessage", "ChangeMessage"))),
    )
    each = (receives + deletes) / 300
    return f"{each:.2f} requests a task to receive and delete it" if each > 0.6 else ""


def waits_out_polls(side: Side) -> str:
    """Sixty quick tasks for one thread, with long polls: nothing waits for a poll to run out."""
    side.worker(1, wait_time_seconds=10)
    side.send("work", range(60), 0.01)
    if until(lambda: len(side.bench.done()) == 60, 30):
        return ""
    return f"{len(side.bench.done())} of 60 tasks of 10 ms were done in 30 s"


def busy_loop(side: Side) -> str:
    """A worker whose hands are full waits for room without burning a core."""
    worker = side.worker(1, wait_time_seconds=2)
    side.send("work", range(20), 12)
    until(lambda: side.bench.lines(task="work", what="begin"))
    time.sleep(1)
    process = psutil.Process(worker.pid)
    before, start = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(8)
    share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - start)
    return f"{share:.0%} of a core while full" if share > 0.25 else ""


def publish_outage(side: Side) -> str:
    """SQS answers 503 to the first sends; the publisher should neither fail nor send twice."""
    side.worker(2)
    side.proxy.fault("SendMessage", "503")
    side.proxy.fault("SendMessageBatch", "503")
    code = "app.send_task('work', (0,)); print('sent')"
    client = _client(side, code, exec_=True)
    until(lambda: side.proxy.faulted["SendMessage"] + side.proxy.faulted["SendMessageBatch"] >= 2, 20)
    side.proxy.mend()
    said = client.communicate(timeout=60)[0].decode()
    until(lambda: side.bench.done(), 20)
    done = side.bench.done().get(0, 0)
    return "" if "sent" in said and done == 1 else f"done {done} times; the publisher said {said.strip()[-120:]!r}"


def fifo(side: Side) -> str:
    """Ten groups of a FIFO queue, and three workers."""
    bench = side.bench
    bench.name = f"{bench.name}.fifo"
    bench.sqs.create_queue(QueueName=bench.name, Attributes={"FifoQueue": "true"})
    for _ in range(3):
        side.worker(2)
    app = bench.app(**side.conf)
    for number in range(50):
        properties = {"MessageGroupId": str(number % 10), "MessageDeduplicationId": f"{bench.name}-{number}"}
        app.send_task("work", (number, 0.05), properties=properties)
    if not until(lambda: len(bench.done()) == 50, 60):
        return f"{50 - len(bench.done())} of 50 tasks were not done in 60 s"
    order = [line["number"] for line in bench.lines(task="work", what="begin")]
    wrong = sum(
        [number for number in order if number % 10 == group] != list(range(group, 50, 10)) for group in range(10)
    )
    return f"{wrong} of 10 groups were done out of order or twice" if wrong else ""


def _queues(side: Side) -> list[str]:
    urls: list[str] = side.bench.sqs.list_queues().get("QueueUrls", [])
    return sorted(url.rsplit("/", 1)[-1] for url in urls)


def _client(side: Side, code: str, *, exec_: bool = False) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "SAMPLE": json.dumps(side.bench.conf(**side.conf)),
        "SAMPLE_LOG": str(side.bench.log),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    line = code if exec_ else f"print({code})"
    text = f"from tests.support.sample import app\n{line}"
    return subprocess.Popen(
        [sys.executable, "-c", text], env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def _ask(side: Side, code: str, *, exec_: bool = False) -> str:
    process = _client(side, code, exec_=exec_)
    try:
        return process.communicate(timeout=60)[0].decode()
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0].decode() + " (it hung, and was ended after 60 s)"


def _ended(worker: subprocess.Popen[bytes]) -> None:
    """Wait for a worker that was asked to stop; one that does not is ended as an init system does it, after 30 s."""
    try:
        worker.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def logs(folder: Path) -> str:
    """Return the end of what the workers logged, for whoever looks into a trial."""
    return "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("worker-*.log")))
