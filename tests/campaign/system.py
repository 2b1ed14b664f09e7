"""The whole system as processes, kept running as an init system would: what ends is started again after a second."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil

from app.account.provision import provision
from app.local.cloud import CREDENTIALS, EmbeddedCloud, free_port
from app.local.registry import Registry
from app.settings import Settings
from tests.campaign.clocks import Clocks
from tests.campaign.weather import Weather

ROOT = Path(__file__).parents[2]
PAUSE_S = 1.0
KINDS = ("web", "autoscaler", "worker", "flower", "cloud")


class Part:
    """One process that is started again whenever it has ended."""

    def __init__(self, name: str, kind: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name, self.kind = name, kind
        self._command, self._environment, self._log = command, environment, log
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        """Its process, or 0 while there is none."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def look(self) -> None:
        """Start it if it does not run."""
        if self.pid:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.starts += 1

    def stop(self, timeout_s: float = 30) -> float:
        """Ask it to end, and make it; return how many seconds that took, -1 where it had to be made to."""
        if not self._process or self._process.poll() is not None:
            return 0.0
        start = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
            return time.monotonic() - start
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            return -1.0


class System:
    """Two web processes, two autoscalers, Flower, the workers that those launch, and the cloud behind the weather.

    Args:
        folder: where all of it lives.
        models: the folder of built models.
        weather: makes the proxy for a cloud's address.
        settings: environment variables beside those that are needed.

    Attributes:
        HOSTS: each has a clock; workers live on the host of the autoscaler that launched them.
        STAY: how many workers there are when there is nothing to do.
    """

    HOSTS: ClassVar[tuple[str, ...]] = (
        "web-0", "web-1", "autoscaler-0", "autoscaler-1", "flower", "cloud", "client",
    )  # fmt: skip
    STAY: ClassVar[int] = 0

    def __init__(self, folder: Path, models: Path, weather: Callable[[str], Weather], **settings: str) -> None:
        self.folder, self.data = folder, folder / "data"
        (folder / "logs").mkdir(parents=True)
        os.environ.update(CREDENTIALS)
        self.clocks = Clocks(folder / "clocks", self.HOSTS)
        self.cloud = self._make_cloud()
        self._start_cloud()
        self.weather = weather(self.cloud.endpoint_url)
        self.weather.__enter__()
        self.registry = Registry(self.data / "run")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ELASTIQ_"))},
            **CREDENTIALS,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.weather.endpoint_url,
            "ELASTIQ_DATA_DIR": str(self.data),
            "ELASTIQ_MODEL_DIR": str(models),
            "ELASTIQ_LOG_FORMAT": "json",
            "ELASTIQ_POLL_SECONDS": "2",
            "ELASTIQ_REPUBLISH_SECONDS": "10",
            "FLOWER_UNAUTHENTICATED_API": "1",
            "PYTHONPATH": str(ROOT),
            **settings,
        }
        self.client = {**self.environment, **self.clocks.environment("client")}
        # What the campaign itself looks at is looked at straight, whatever the weather.
        self.straight = {**self.environment, "AWS_ENDPOINT_URL": self.cloud.endpoint_url}
        self.settings = Settings.from_environment(self.straight)
        provision(self.settings)
        self.ports = [free_port(), free_port()]
        self.parts = self._make_parts()
        self._ended = threading.Event()
        self._held: set[str] = set()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._cloud_lock = threading.Lock()

    @property
    def urls(self) -> list[str]:
        """The addresses of the web processes."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def start(self) -> None:
        """Start every part."""
        self._keeper.start()

    def named(self) -> list[tuple[str, int]]:
        """Return every process that runs, by a name that no other has had."""
        named = [(f"{part.name} {part.pid}", part.pid) for part in self.parts if part.pid]
        known = {pid for _, pid in named}
        others = [(kind, pid) for kind in ("worker", "cloud") for pid in self.pids(kind) if pid not in known]
        return named + [(f"{kind} {pid}", pid) for kind, pid in others]

    def pids(self, kind: str) -> list[int]:
        """Return the processes of a kind that run."""
        if kind == "cloud":
            return [self._cloud_pid] if self._cloud_pid else []
        launched = [entry.pid for entry in self.registry.entries("instance") if entry.process()]
        return [part.pid for part in self.parts if part.kind == kind and part.pid] + (
            launched if kind == "worker" else []
        )

    def signal(self, kind: str, number: signal.Signals, pids: list[int]) -> None:
        """Send a signal to processes of a kind, and to all that they have started."""
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                if kind == "cloud":
                    os.kill(pid, number)
                else:
                    os.killpg(os.getpgid(pid), number)

    def restart_cloud(self, *, without_queues: bool) -> None:
        """Stop the cloud as one is stopped, forget its queues if asked to, and start it."""
        with self._cloud_lock:
            self.cloud.stop()
            if without_queues:
                for path in self._cloud_data.rglob("*sqs*"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            self._start_cloud()

    def roll_out(self) -> None:
        """Put new processes in the place of old ones, one after the other, as an upgrade does."""
        for part in self.parts:
            part.stop()
            time.sleep(2 * PAUSE_S)
        self.signal("worker", signal.SIGTERM, self.pids("worker"))

    def stop(self) -> dict[str, float]:
        """Stop everything in order; return how many seconds each part took, -1 where it had to be killed."""
        self._ended.set()
        self._keeper.join()
        took = {part.name: round(part.stop(), 1) for part in self.parts}
        deadline = time.monotonic() + 30
        self.signal("worker", signal.SIGTERM, self.pids("worker"))
        while self.pids("worker") and time.monotonic() < deadline:
            time.sleep(0.2)
        took["workers"] = -1.0 if self.pids("worker") else round(30 - (deadline - time.monotonic()), 1)
        self.signal("worker", signal.SIGKILL, self.pids("worker"))
        self.weather.__exit__(None, None, None)
        self.cloud.stop()
        return took

    def left(self) -> list[str]:
        """Return what still runs of it; nothing should, once it is stopped."""
        found = []
        for process in psutil.process_iter(["environ", "status", "cmdline"]):
            environ = process.info["environ"] or {}
            if process.info["status"] != psutil.STATUS_ZOMBIE and environ.get("ELASTIQ_DATA_DIR") == str(self.data):
                found.append(" ".join(process.info["cmdline"] or [])[:120])
        return found

    # -- what they are: processes here

    def _make_cloud(self) -> Any:
        return EmbeddedCloud(self._cloud_data, free_port())

    @property
    def _cloud_data(self) -> Path:
        return self.folder / "cloud"

    @property
    def _cloud_pid(self) -> int:
        """The cloud's process, or 0."""
        process = self.cloud._process
        return process.pid if process and process.poll() is None else 0

    def _make_parts(self) -> list[Part]:
        return [
            *(self._part(f"web-{n}", "web", ELASTIQ_PORT=str(port)) for n, port in enumerate(self.ports)),
            *(self._part(f"autoscaler-{n}", "autoscaler") for n in range(2)),
            self._part("flower", "flower", FLOWER_PORT=str(free_port())),
        ]

    def _part(self, name: str, kind: str, **settings: str) -> Part:
        command = [sys.executable, "-m", "app.cli", kind]
        environment = {**self.environment, **self.clocks.environment(name), **settings}
        return Part(name, kind, command, environment, self.folder / "logs" / f"{name}.log")

    def _start_cloud(self) -> None:
        clock = self.clocks.environment("cloud")
        os.environ.update(clock)  # it takes its environment from here
        try:
            self.cloud.start()
        finally:
            for name in clock:
                del os.environ[name]

    def _keep(self) -> None:
        while not self._ended.wait(PAUSE_S):
            with self._cloud_lock:
                if not self.cloud.alive():
                    with suppress(Exception):
                        self._start_cloud()
                        provision(self.settings)
            for part in self.parts:
                part.look()
