"""A web tier of a test's own: the real process, on a free port of loopback, and what a client does with it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3

from app import aws
from app.domain import Classification, Prediction
from app.settings import Settings
from app.storage import Storage
from tests.support import conforming
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
File = tuple[str, bytes]


class Site:
    """A running web tier, its buckets and its queue.

    Args:
        environment: the process's; the buckets and the queue in it exist.
        log: where its log goes.
    """

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment = {"ELASTIQ_PORT": "0", **environment, "ELASTIQ_LOG_FORMAT": "json", "PYTHONPATH": str(ROOT)}
        self.config = Settings.from_environment(self.environment)
        self.storage = Storage(self.config)
        self._s3 = aws.client("s3", self.config.aws)
        self.http = urllib3.PoolManager(maxsize=128, block=True, timeout=60, retries=False)
        self.log = log
        self.url = ""

    def start(self) -> Site:
        """Start the process and return once it answers."""
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "web"],
                env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        ready = wait_for(lambda: self._ready(before) or self.process.poll() is not None, 60)
        assert ready is not True, self.log.read_text()
        self.url = ready["url"]
        return self

    def stop(self) -> int:
        """Ask the process to stop; return its exit status."""
        self.http.clear()  # idle connections would be waited for
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)

    def get(self, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Make a GET request; the answer must be one that the API's document has."""
        return self._checked("GET", path, options)

    def post(self, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Make a POST request, in the same way."""
        return self._checked("POST", path, options)

    def upload(self, *files: File, path: str = "/api/batches") -> dict[str, Any]:
        """Upload files as one request; return the answer, which must be 201."""
        answer = self.post(path, fields=[("files", file) for file in files])
        assert answer.status == 201, answer.data
        return dict(answer.json())

    def batch(self, id: str) -> dict[str, Any]:
        """Return a batch as the API has it."""
        answer = self.get(f"/api/batches/{id}")
        assert answer.status == 200, answer.data
        return dict(answer.json())

    def fleet(self) -> dict[str, Any]:
        """Return the fleet as the API has it."""
        answer = self.get("/api/fleet")
        assert answer.status == 200, answer.data
        return dict(answer.json())

    def events(self, id: str, after: str = "") -> Events:
        """Follow a batch."""
        return Events(self, f"/api/batches/{id}/events", after)

    def keys(self, batch: str) -> list[str]:
        """Return what the input bucket has of a batch."""
        return [image.key for image in self.storage.images(batch)]

    def all_keys(self) -> list[str]:
        """Return what the input bucket has."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.config.buckets.input)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def queued(self) -> int:
        """Return how many messages the task queue has."""
        sqs = aws.client("sqs", self.config.aws)
        url = sqs.get_queue_url(QueueName=self.config.queue.name)["QueueUrl"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))

    def classify(self, key: str, label: str = "tabby") -> None:
        """Save a result, as a worker does."""
        self.storage.save(Classification.of(key, [Prediction(label, 0.75), Prediction("lynx", 0.25)], "test"))

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log's lines of one event."""
        return [line for line in _json_lines(self.log.read_bytes()) if line.get("event") == event]

    def _checked(self, method: str, path: str, options: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        answer = self.http.request(method, self.url + path, **options)
        if options.get("preload_content", True):
            conforming.check(method, answer.url or path, answer.status, answer.headers, answer.data)
        return answer

    def _ready(self, start: int) -> dict[str, Any] | None:
        lines = _json_lines(self.log.read_bytes()[start:])
        return next((line for line in lines if line.get("event") == "web_ready"), None)


@contextmanager
def serving(environment: dict[str, str], folder: Path) -> Iterator[Callable[..., Site]]:
    """Yield what starts a web tier, with more settings if given; all of them are stopped in the end."""
    with ExitStack() as stack:

        def start(**settings: str) -> Site:
            site = Site({**environment, **settings}, folder / f"web-{uuid.uuid4().hex[:8]}.log")
            stack.callback(site.stop)
            return site.start()

        yield start


class Events:
    """An open event stream, read by a thread so that a test can wait for what comes next."""

    def __init__(self, site: Site, path: str, after: str) -> None:
        headers = {"Last-Event-ID": after} if after else {}
        self.answer = site.http.request("GET", site.url + path, headers=headers, preload_content=False)
        self._events: queue.SimpleQueue[dict[str, str] | None] = queue.SimpleQueue()
        if self.answer.status == 200:
            threading.Thread(target=self._read, daemon=True).start()

    def next(self, timeout_s: float = 20) -> dict[str, str] | None:
        """Return the next event, its fields by name; None when the stream has ended."""
        return self._events.get(timeout=timeout_s)

    def until(self, kind: str, timeout_s: float = 20) -> list[dict[str, str]]:
        """Return the events up to the first of ``kind``, which is the last of them."""
        found = []
        while event := self.next(timeout_s):
            found.append(event)
            if event["event"] == kind:
                return found
        raise AssertionError(f"the stream ended without {kind}: {found}")

    def close(self) -> None:
        """Hang up."""
        with suppress(RuntimeError):  # it has ended by itself
            self.answer.shutdown()

    def _read(self) -> None:
        try:
            for text in _blocks(self.answer.stream(4096)):
                fields = dict(line.split(": ", 1) for line in text.splitlines())
                if "event" in fields:
                    self._events.put(fields)
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):
            pass  # cut off, by us or by the server: the end of the stream, which is what is told
        self._events.put(None)


class Labeller:
    """A thread that gives every image in the input bucket a label made of its path, as a worker would.

    Args:
        site: whose images.
        but: batches that it leaves alone.
    """

    def __init__(self, site: Site, but: frozenset[str] | set[str] = frozenset()) -> None:
        self._site, self._but, self._stop = site, but, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Labeller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        done: set[str] = set()
        while not self._stop.wait(0.1):
            for key in self._site.all_keys():
                batch, path = key.split("/", 1)
                if key not in done and batch not in self._but:
                    done.add(key)
                    if self._site.storage.outcome(key) is None:
                        self._site.classify(key, f"label of {path}")


def key_path(key: str) -> str:
    """Return the path of an image's small picture."""
    batch, path = key.split("/", 1)
    return f"/api/batches/{batch}/images/{quote(path)}"


def _blocks(data: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for piece in data:
        *whole, rest = (rest + piece).split(b"\n\n")
        for block in whole:
            yield block.decode()


def _json_lines(data: bytes) -> list[dict[str, Any]]:
    lines = data.decode(errors="replace").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
