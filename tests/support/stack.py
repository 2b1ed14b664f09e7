"""`elastiq up` as a process, for tests and benchmarks: started on a data directory, used from outside, stopped."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from app.local.cloud import free_port
from app.local.registry import Entry, Registry
from app.local.stack import read_environment
from app.settings import Settings
from app.storage import RESULT, Storage
from tests.support.photographs import labelled
from tests.support.records import records
from tests.support.waiting import wait_for

TIMEOUT_S = 120
PUBLISH = "import sys; from tasks import bulk, classify\nwith bulk():\n for key in sys.argv[1:]: classify.delay(key)"


class Stack:
    """One running `elastiq up`.

    Args:
        data_dir: what it runs on.
        arguments: of the command.
        settings: environment variables beside this process's own.
    """

    def __init__(self, data_dir: Path, *arguments: str, **settings: str) -> None:
        self.data_dir = data_dir
        self.output = data_dir.with_name(data_dir.name + ".out")
        self.environment = {
            **os.environ,
            "ELASTIQ_DATA_DIR": str(data_dir),
            "ELASTIQ_PORT": str(free_port()),
            **settings,
        }
        for name in [name for name in self.environment if name.startswith("AWS_") and name not in settings]:
            del self.environment[name]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "up", *arguments], env=self.environment, stdout=output, stderr=output
            )

    @property
    def page(self) -> str:
        """The address of its page."""
        return f"http://127.0.0.1:{self.environment['ELASTIQ_PORT']}"

    @property
    def said(self) -> str:
        """All that it has written so far, by earlier runs on the same directory too."""
        return self.output.read_text()

    def wait_until_ready(self) -> None:
        """Wait for its address."""
        self._wait_for(lambda: f"Elastiq is ready: {self.page}" in self.said, lambda: self.said)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_S)

    def storage(self) -> Storage:
        """Its buckets."""
        return Storage(self.settings())

    def settings(self) -> Settings:
        """What it runs with."""
        environment = read_environment(self.data_dir)
        os.environ.update({name: environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")})
        return Settings.from_environment(environment)

    def submit(self, batch: str, count: int) -> list[str]:
        """Store photographs and publish their tasks, as any Celery client would; return their keys."""
        photographs = labelled()
        storage = self.storage()
        keys = [f"{batch}/{number}.jpg" for number in range(count)]
        for number, key in enumerate(keys):
            storage.put_image(key, photographs[number % len(photographs)].read_bytes(), "image/jpeg")
        environment = {**os.environ, **read_environment(self.data_dir)}
        subprocess.run([sys.executable, "-c", PUBLISH, *keys], env=environment, check=True, timeout=TIMEOUT_S)
        return keys

    def results(self, batch: str) -> set[str]:
        """The keys of a batch that have a result."""
        return {name.removesuffix(RESULT) for name in self.storage().outcomes(batch) if name.endswith(RESULT)}

    def wait_for_results(self, batch: str, keys: list[str]) -> None:
        """Wait until each of them has a result."""
        self._wait_for(lambda: self.results(batch) == set(keys), lambda: f"{self.results(batch)}\n{self.said}")

    def instances(self) -> list[Entry]:
        """The instances that run."""
        return Registry(self.data_dir / "run").entries("instance")

    def wait_until_no_instance_is_left(self) -> None:
        """Wait until the fleet is at 0."""
        self._wait_for(lambda: not self.instances(), lambda: f"{self.instances()}\n{self.said}")

    def launched(self) -> int:
        """How many instances its autoscaler has launched in all."""
        return sum(len(record["launched"]) for record in self.records("autoscaler", "scaled_out"))

    def times_done(self) -> Counter[str]:
        """How often each key was classified, by what every worker has logged of its tasks."""
        done: Counter[str] = Counter()
        for path in (self.data_dir / "logs").glob("local-*.log"):
            done.update(
                ast.literal_eval(key) for key in re.findall(r"succeeded in \S+: {'key': ('[^']+')", path.read_text())
            )
        return done

    def records(self, name: str, event: str) -> list[dict[str, Any]]:
        """What one of its parts has logged of an event."""
        return records(self.data_dir / "logs" / f"{name}.log", event)

    def log(self, name: str) -> str:
        """The log file of one of its parts."""
        return (self.data_dir / "logs" / f"{name}.log").read_text()

    def parts(self) -> list[psutil.Process]:
        """The processes that it watches."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children()
        return found

    def processes(self) -> list[psutil.Process]:
        """Every process that it has started, found by what they inherit from it and not by what it says of them."""
        found = []
        for process in psutil.process_iter(["environ", "status"]):
            environ, status = process.info["environ"] or {}, process.info["status"]
            mine = environ.get("ELASTIQ_DATA_DIR") == str(self.data_dir) or environ.get("STATE_DIR", "").startswith(
                f"{self.data_dir}/"
            )
            if mine and status != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def _wait_for(self, condition: Callable[[], bool], what: Callable[[], object]) -> None:
        """Wait for what only comes true while it runs."""

        def held() -> bool:
            true = condition()
            assert true or self.process.poll() is None, what()
            return true

        wait_for(held, TIMEOUT_S, what)


@contextmanager
def stack(data_dir: Path, *arguments: str, **settings: str) -> Iterator[Stack]:
    """Run one, ready to be used; nothing of it is left afterwards."""
    running = Stack(data_dir, *arguments, **settings)
    try:
        running.wait_until_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
        for process in running.processes():
            process.kill()
