"""The services of docker/compose.yml as the system of a campaign: containers of the images, each started again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil

from app.errors import TransientError
from app.local.cloud import CREDENTIALS, free_port
from app.process.healthy import why_not
from tests.campaign.system import ROOT, Part, System
from tests.campaign.weather import Weather
from tests.support import compose
from tests.support.containers import Images, Pod, ServiceContainer
from tests.support.network import MachinesNetwork

TARGETS = ("web", "autoscaler", "worker", "flower", "cloud")
WORKERS = 3
# Where each container finds the clocks.
CLOCKS = "/clocks"

Start = Callable[[], ServiceContainer]


class Contained(Part):
    """One container that is started again whenever it has ended."""

    def __init__(self, name: str, kind: str, start: Start) -> None:
        self.name, self.kind, self.starts = name, kind, 0
        self._start = start
        self._container: ServiceContainer | None = None
        self._pid = 0

    @property
    def running(self) -> bool:
        """Return whether there is one that has not ended."""
        return self._container is not None and self._container.running

    @property
    def pid(self) -> int:
        """Its first process, or 0 while there is none."""
        if self._container is None or not self.running:
            return 0
        self._pid = self._pid or self._container.pid
        return self._pid

    def look(self) -> None:
        """Start it if it does not run."""
        if not self.running:
            self._container, self._pid = self._start(), 0
            self.starts += 1

    def stop(self, timeout_s: float = 30) -> float:
        """Ask it to end, and make it; return how many seconds that took, -1 where it had to be made to."""
        if self._container is None or not self.running:
            return 0.0
        try:
            return self._container.stop()[1]
        except Exception:  # a process that is frozen, or ends by itself just now
            self._container.kill()
            return -1.0


class Cloud:
    """The service ``cloud``, as `app.local.cloud.EmbeddedCloud` is used."""

    def __init__(self, port: int, start: Start) -> None:
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self._part = Contained("cloud", "cloud", start)

    @property
    def pid(self) -> int:
        """Its process, or 0."""
        return self._part.pid

    def start(self, timeout_s: float = 60) -> None:
        """Start it, and return once it answers.

        Raises:
            TransientError: it did not in ``timeout_s`` seconds.
        """
        self._part.look()
        deadline = time.monotonic() + timeout_s
        while why := why_not(f"{self.endpoint_url}/_ministack/health"):
            if time.monotonic() > deadline or not self.alive():
                raise TransientError(f"the cloud does not answer: {why}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it, its data saved."""
        self._part.stop()

    def alive(self) -> bool:
        """Return whether it runs."""
        return self._part.running


class Containers(System):
    """Two web processes, two autoscalers that watch, Flower, three workers that stay, and the cloud: as containers.

    They are in the machine's own network, as with ``network_mode: host``, so that the weather is between them.
    """

    HOSTS: ClassVar[tuple[str, ...]] = (*System.HOSTS, *(f"worker-{n}" for n in range(WORKERS)))
    STAY: ClassVar[int] = WORKERS

    def __init__(self, folder: Path, models: Path, weather: Callable[[str], Weather], **settings: str) -> None:
        self._images = Images(ROOT / ".elastiq" / "images")
        self._images.make_base()
        for target in TARGETS:
            self._images.build(target)
        (folder / "pod").mkdir(parents=True)
        self._pod = Pod(self._images, compose.services({}), folder / "pod", MachinesNetwork())
        super().__init__(folder, models, weather, **settings)

    def signal(self, kind: str, number: signal.Signals, pids: list[int]) -> None:
        """Send a signal to containers of a kind: what is to end them to the first process, all else to each."""
        for pid in pids:
            with suppress(psutil.Error):
                first = psutil.Process(pid)
                others = [] if number in (signal.SIGTERM, signal.SIGKILL) else first.children(recursive=True)
                for process in (first, *others):
                    with suppress(psutil.Error):
                        process.send_signal(number)

    def stop(self) -> dict[str, float]:
        """Stop everything in order, and remove what was built; return how many seconds each part took."""
        try:
            return super().stop()
        finally:
            self._pod.close()
            self._images.close()

    def left(self) -> list[str]:
        """Return the containers that still run; none should, once it is stopped."""
        return [container.id for container in self._pod.running()]

    # -- what they are: containers

    def _make_cloud(self) -> Any:
        port = free_port()
        command = ["cloud", "--host", "127.0.0.1", "--port", str(port)]
        return Cloud(port, lambda: self._run("cloud", "cloud", command))

    @property
    def _cloud_pid(self) -> int:
        return int(self.cloud.pid)

    @property
    def _cloud_data(self) -> Path:
        return self.folder / "pod" / "volumes" / "cloud"

    def _start_cloud(self) -> None:
        self.cloud.start()

    def _make_parts(self) -> list[Part]:
        parts: list[Part] = [
            self._contained(f"web-{n}", "web", ELASTIQ_HOST="127.0.0.1", ELASTIQ_PORT=str(port))
            for n, port in enumerate(self.ports)
        ]
        parts += [
            self._contained(
                f"autoscaler-{n}", "autoscaler", ELASTIQ_METRICS_HOST="127.0.0.1", ELASTIQ_METRICS_PORT=str(free_port())
            )
            for n in range(2)
        ]
        command = ["flower", "--address=127.0.0.1", f"--port={free_port()}"]
        parts.append(Contained("flower", "flower", lambda: self._run("flower", "flower", command)))
        return parts + [self._contained(f"worker-{n}", "worker") for n in range(WORKERS)]

    def _contained(self, name: str, kind: str, **settings: str) -> Part:
        return Contained(name, kind, lambda: self._run(name, kind, None, **settings))

    def _run(self, name: str, kind: str, command: list[str] | None, **settings: str) -> ServiceContainer:
        clock = {"LD_PRELOAD": f"{CLOCKS}/clock.so", "SET_CLOCK": f"{CLOCKS}/{name}"}
        told = {
            **CREDENTIALS,
            "ELASTIQ_LOG_FORMAT": "json",
            **({} if kind == "cloud" else {"AWS_ENDPOINT_URL": self.weather.endpoint_url}),
            **({"ELASTIQ_REPUBLISH_SECONDS": "10"} if kind == "autoscaler" else {}),
            **clock,
            **settings,
        }
        return self._pod.start(kind, ((self.clocks.folder, CLOCKS),), command, **told)
