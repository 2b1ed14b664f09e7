"""The clients: programs on the HTTP API, some that wait for one label, our and stock Celery callers, the command.

Each is a loop of its own that is told when the next image comes, and writes into the ledger what it was told.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import urllib3

from app.domain import new_batch_id
from app.storage import Storage
from tests.campaign.browser import Visitor
from tests.campaign.ledger import Ledger
from tests.campaign.pictures import Picture
from tests.campaign.system import ROOT, System

# How a rate comes and goes: seconds, and times the mean.
WAVES = ((20, 0.3), (10, 2.5), (25, 0.6), (5, 4.0), (30, 1.0), (15, 0.0))
CALLER = """
import json, sys
from tasks import classify
for line in sys.stdin:
    key = json.loads(line)
    try:
        sent = classify.delay(key)
    except Exception as err:
        print(json.dumps(["unanswered", key, repr(err)[:200]]), flush=True); continue
    print(json.dumps(["accepted", key, ""]), flush=True)
    if hash(key) % 4 == 0:
        try:
            print(json.dumps(["told", key, sent.get(timeout=60)["label"]]), flush=True)
        except Exception as err:
            print(json.dumps(["untold", key, repr(err)[:200]]), flush=True)
"""
STOCK = """
import json, os, sys
from celery import Celery
app = Celery(broker="sqs://")
app.conf.update(task_default_queue=os.environ.get("ELASTIQ_QUEUE", "elastiq-tasks"), task_ignore_result=True,
    broker_transport_options={"region": "us-east-1", "is_secure": False})
for line in sys.stdin:
    key = json.loads(line)
    try:
        app.send_task("tasks.classify", (key,), retry=False)
    except Exception as err:
        print(json.dumps(["unanswered", key, repr(err)[:200]]), flush=True); continue
    print(json.dumps(["accepted", key, ""]), flush=True)
"""


@dataclass
class Sent:
    """How much was sent, by client."""

    images: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)

    def count(self, client: str, images: int) -> None:
        """Count images of one client."""
        self.images[client] = self.images.get(client, 0) + images


class Load:
    """All clients. ``rate`` is of images a second, all clients together."""

    def __init__(self, system: System, ledger: Ledger, files: list[Picture], rate: float, seed: int) -> None:
        self.sent = Sent()
        self._system, self._ledger, self._rate = system, ledger, rate
        self._good = [file for file in files if file.label]
        self._bad = [file for file in files if not file.label]
        self._chance = random.Random(seed)
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._callers: list[subprocess.Popen[str]] = []
        self._storage = Storage(system.settings)
        self._begun = time.monotonic()

    def start(self) -> None:
        """Let them begin."""
        shares: list[tuple[Callable[[random.Random], None], float, int]] = [
            (self._api, 0.5, 4),
            (self._course, 0.2, 6),
            (self._delay, 0.2, 1),
            (self._stock, 0.1, 1),
        ]
        for number, (client, share, threads) in enumerate(shares):
            for thread in range(threads):
                chance = random.Random(f"{self._chance.random()}-{number}-{thread}")
                arguments = (client, share / threads, chance)
                self._threads.append(threading.Thread(target=self._run, args=arguments, daemon=True))
        self._threads.append(threading.Thread(target=self._command, daemon=True))
        self._threads.append(threading.Thread(target=self._page, daemon=True))
        for one in self._threads:
            one.start()

    def stop(self, patience_s: float) -> int:
        """Let no more come, wait for those that are answered; return how many clients still waited then."""
        self._ended.set()
        deadline = time.monotonic() + patience_s
        for one in self._threads:
            one.join(max(0.1, deadline - time.monotonic()))
        for caller in self._callers:
            if caller.stdin:
                caller.stdin.close()
            try:
                caller.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                caller.kill()
        return sum(one.is_alive() for one in self._threads)

    def _run(self, client: Callable[[random.Random], None], share: float, chance: random.Random) -> None:
        while not self._ended.is_set():
            rate = self._rate * share * _wave(time.monotonic() - self._begun)
            if self._ended.wait(chance.expovariate(rate) if rate else 1.0):
                return
            client(chance)

    def _file(self, chance: random.Random) -> Picture:
        return chance.choice(self._bad) if chance.random() < 0.03 else chance.choice(self._good)

    def _url(self, chance: random.Random) -> str:
        return chance.choice(self._system.urls)

    def _api(self, chance: random.Random) -> None:
        """A program: names a batch, and sends its files until it is answered for them."""
        files = [(f"{number}-{file.name}", file) for number, file in
                 enumerate(self._file(chance) for _ in range(chance.choice((1, 1, 2, 4))))]  # fmt: skip
        http = urllib3.PoolManager(timeout=30, retries=False)
        batch = ""
        self.sent.count("api", len(files))
        for attempt in range(60):
            try:
                if not batch:
                    answer = http.request("POST", f"{self._url(chance)}/api/batches")
                    batch = answer.json()["id"] if answer.status == 201 else ""
                if batch:
                    parts = [("files", (name, file.content)) for name, file in files]
                    answer = http.request("POST", f"{self._url(chance)}/api/batches/{batch}/images", fields=parts)
                    if answer.status == 201:
                        self._note_batch(answer.json(), [file for _, file in files])
                        return
            except (urllib3.exceptions.HTTPError, ValueError):
                pass
            if self._ended.wait(min(5.0, 0.2 * 1.5**attempt)) and attempt > 40:
                break
        for name, file in files:
            self._ledger.write("unanswered", "api", f"{batch}/{name}" if batch else "", file.name)

    def _note_batch(self, answer: dict[str, object], files: list[Picture]) -> None:
        images = answer["images"]
        assert isinstance(images, list)
        for image, file in zip(images, files, strict=True):
            what = "refused" if image["state"] == "failed" else "accepted"
            self._ledger.write(what, "api", image["key"], file.name, image["reason"] or image["label"] or "")

    def _course(self, chance: random.Random) -> None:
        """A program that sends one image and waits for its label."""
        file = self._file(chance)
        self.sent.count("course", 1)
        try:
            http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=10, read=320), retries=False)
            answer = http.request("POST", f"{self._url(chance)}/", fields={"myfile": (file.name, file.content)})
        except urllib3.exceptions.HTTPError:
            self._ledger.write("unanswered", "course", "", file.name)
            return
        text = answer.data.decode()
        if answer.status == 200:
            self._ledger.write("told", "course", "", file.name, text)
        elif answer.status in (400, 413, 415, 422):
            self._ledger.write("refused", "course", "", file.name, text[:200])
        else:
            self._ledger.write("unanswered", "course", "", file.name, f"{answer.status} {text[:120]}")

    def _delay(self, chance: random.Random) -> None:
        self._call("delay", CALLER, chance)

    def _stock(self, chance: random.Random) -> None:
        self._call("stock", STOCK, chance)

    def _call(self, client: str, code: str, chance: random.Random) -> None:
        """A Celery caller: the image is stored first, by whoever has it; its task is published by another process."""
        file = chance.choice(self._good)
        # Under a batch's id: what a queue that is lost had of others, nobody knows (docs/sweep.md).
        key = f"{new_batch_id(datetime.fromtimestamp(self._system.clocks.now(), UTC), chance.randbytes(4))}/{file.name}"
        for _ in range(20):  # the cloud may be away: then there is no image, and no call
            try:
                self._storage.put_image(key, file.content, "image/jpeg")
                break
            except Exception:
                if self._ended.wait(2):
                    return
        else:
            return
        self.sent.count(client, 1)
        caller = next((one for one in self._callers if one.poll() is None and one.args[2] == code), None)  # type: ignore[index]
        if caller is None:
            caller = subprocess.Popen(
                [sys.executable, "-c", code], env={**self._system.client, "PYTHONWARNINGS": "ignore"}, cwd=ROOT,
                text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            self._callers.append(caller)
            threading.Thread(target=self._hear, args=(client, caller), daemon=True).start()
        assert caller.stdin is not None
        try:
            caller.stdin.write(json.dumps(key) + "\n")
            caller.stdin.flush()
        except OSError:
            self._ledger.write("unanswered", client, key, file.name)

    def _hear(self, client: str, caller: subprocess.Popen[str]) -> None:
        assert caller.stdout is not None
        for line in caller.stdout:
            what, key, text = json.loads(line)
            self._ledger.write(what, client, key, key.rsplit("/", 1)[-1], text)

    def _command(self) -> None:
        """Somebody who classifies a folder by the command, again and again."""
        folder = self._system.folder / "photographs"
        folder.mkdir()
        for file in self._good[:6]:
            (folder / file.name).write_bytes(file.content)
        chance = random.Random(self._chance.random())
        while not self._ended.wait(chance.uniform(20, 60)):
            self.sent.count("command", 6)
            command = [sys.executable, "-m", "app.cli", "classify", "--json", "--url", self._url(chance), str(folder)]
            ran = subprocess.run(
                command, env=self._system.client, cwd=ROOT, capture_output=True, text=True, timeout=900
            )
            for image in _lines(ran.stdout):
                name = Path(str(image.get("path") or image.get("filename"))).name
                self._ledger.write("accepted", "command", str(image.get("key", "")), name)
                self._ledger.write("told", "command", str(image.get("key", "")), name, str(image.get("label")))
            if ran.returncode:
                self._ledger.write("unanswered", "command", "", "", f"{ran.returncode} {ran.stderr[-200:]}")

    def _page(self) -> None:
        chance = random.Random(self._chance.random())
        visitor = Visitor(self._ledger, self._good, lambda: self._url(chance), partial(self.sent.count, "page"))
        visitor.run(chance, self._ended)


def _wave(seconds: float) -> float:
    """Return times the mean rate at which images come just now."""
    at = seconds % sum(length for length, _ in WAVES)
    for length, times in WAVES:
        if at < length:
            return times
        at -= length
    return 1.0


def _lines(text: str) -> Iterator[dict[str, object]]:
    for line in text.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
