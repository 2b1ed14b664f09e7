"""Real Celery workers of the sample application, each a process, ended with their test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import boto3

from tests.support.records import records
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]


class Bench:
    """One queue, its workers and their log.

    Args:
        folder: where logs go.
        endpoint_url: the embedded cloud's.
        name: the queue's name; every other name that tests use begins with it.
    """

    def __init__(self, folder: Path, endpoint_url: str, name: str) -> None:
        self.name, self.endpoint_url, self.folder = name, endpoint_url, folder
        self.log = folder / "sample.log"
        self.log.touch()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.sqs: Any = boto3.session.Session().client("sqs", region_name="us-east-1", endpoint_url=endpoint_url)

    def conf(self, **extra: Any) -> dict[str, Any]:
        """Return the sample application's configuration, with ``options`` for its transport."""
        own = {"endpoint_url": self.endpoint_url, "wait_time_seconds": 2, "topic": f"{self.name}-fanout"}
        options = {**own, **extra.pop("options", {})}
        return {"task_default_queue": self.name, "broker_transport_options": options, **extra}

    def app(self, **extra: Any) -> Any:
        """Return a Celery application for this process that submits to the queue."""
        from tests.support import sample

        app = type(sample.app)("client", broker="sqs://", set_as_current=False)
        app.conf.update(sample.app.conf.changes)
        app.conf.update(self.conf(**extra))
        return app

    def inspect(self) -> Any:
        """Return Celery's remote control of the one worker: what it asks returns as soon as that has answered."""
        return self.app().control.inspect(limit=1, timeout=20)

    def send(self, app: Any, task: str, count: int, *args: Any) -> None:
        """Send ``count`` tasks, numbered, in bulk."""
        from app.sqs import bulk

        with bulk():
            for number in range(count):
                app.send_task(task, (number, *args))

    def worker(self, *arguments: str, env: dict[str, str] | None = None, **extra: Any) -> subprocess.Popen[bytes]:
        """Start a worker; it may not be ready yet."""
        environment = {
            **os.environ,
            "SAMPLE": json.dumps(self.conf(**extra)),
            "SAMPLE_LOG": str(self.log),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            **(env or {}),
        }
        number = len(self.workers)
        command = [sys.executable, "-m", "celery", "-A", "tests.support.sample", "worker", "-l", "INFO",
                   "-n", f"w{number}-{self.name}@%h", "--without-gossip", "--without-mingle",
                   *(arguments or ("-P", "threads", "-c", "8"))]  # fmt: skip
        with self.worker_log(number).open("wb") as log:
            process = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        self.workers.append(process)
        return process

    def ready_worker(self, *arguments: str, **extra: Any) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it takes work."""
        number = len(self.workers)
        process = self.worker(*arguments, **extra)
        wait_for(lambda: "ready." in self.worker_log(number).read_text() or process.poll() is not None, 60)
        assert process.poll() is None, self.worker_log(number).read_text()
        return process

    def worker_log(self, number: int = 0) -> Path:
        """Return the file that holds what a worker logged."""
        return self.folder / f"worker-{number}.log"

    def lines(self, **fields: Any) -> list[dict[str, Any]]:
        """Return the log's lines that have ``fields``."""
        return [line for line in records(self.log) if fields.items() <= line.items()]

    def done(self) -> Counter[int]:
        """Return how often each number's work came to its end."""
        return Counter(line["number"] for line in self.lines(task="work", what="end"))

    def url(self, name: str | None = None) -> str:
        """Return a queue's address."""
        return str(self.sqs.get_queue_url(QueueName=name or self.name)["QueueUrl"])

    def depth(self, name: str | None = None) -> tuple[int, int, int]:
        """Return a queue's counts: visible, in flight, delayed."""
        found = self.sqs.get_queue_attributes(QueueUrl=self.url(name), AttributeNames=["All"])["Attributes"]
        suffixes = ("", "NotVisible", "Delayed")
        visible, in_flight, delayed = (int(found[f"ApproximateNumberOfMessages{suffix}"]) for suffix in suffixes)
        return visible, in_flight, delayed

    def queues(self, prefix: str) -> list[str]:
        """Return the names of the queues that begin with ``prefix``."""
        urls = self.sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
        return sorted(url.rsplit("/", 1)[-1] for url in urls)

    def heard(self) -> list[str]:
        """Return the names of the queues that are subscribed to the topic."""
        sns: Any = boto3.session.Session().client("sns", region_name="us-east-1", endpoint_url=self.endpoint_url)
        topic = sns.create_topic(Name=f"{self.name}-fanout")["TopicArn"]
        found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return sorted(subscription["Endpoint"].rsplit(":", 1)[-1] for subscription in found)

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.workers:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
