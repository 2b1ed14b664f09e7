"""A whole system of any checkout, for benchmarks: its `elastiq up`, its address, and what each of its parts costs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parents[2]

TIMEOUT_S = 120
# The last words of a command -> what part of the system it is.
PARTS = {
    "web": "web",
    "autoscaler": "autoscaler",
    "worker": "workers",
    "ministack": "cloud",
    "app.local.ministack_internals": "cloud",
}


def python(root: Path) -> str:
    """Return the interpreter of a checkout; this one where it has none of its own."""
    own = root / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


class Whole:
    """One `elastiq up` of the checkout ``root``; get it with `whole`."""

    def __init__(self, root: Path, data_dir: Path, **settings: str) -> None:
        self.root, self.data_dir = root, data_dir
        self.output = data_dir.with_name(data_dir.name + ".out")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "ELASTIQ_MODEL_DIR": os.environ.get("ELASTIQ_MODEL_DIR") or str((root / ".elastiq" / "models").resolve()),
            "ELASTIQ_DATA_DIR": str(data_dir),
            "ELASTIQ_PORT": str(self.port),
            "ELASTIQ_LOG_FORMAT": "json",
            "PYTHONPATH": str(root),
            **settings,
        }
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [python(root), "-m", "app.cli", "up"], env=self.environment, cwd=root, stdout=output, stderr=output
            )

    def wait_until_ready(self) -> None:
        """Wait until it says its address."""
        self.wait_for(lambda: f"Elastiq is ready: http://127.0.0.1:{self.port}" in self.output.read_text())
        self.wait_for(lambda: self.logged("autoscaler", "leading"))  # its own start is nobody's wait

    def wait_for(self, true: Callable[[], object]) -> None:
        """Wait until something is true.

        Raises:
            SystemExit: it is not after two minutes, or the system has ended.
        """
        deadline = time.monotonic() + TIMEOUT_S
        while not true():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"{self.root} does not do what is measured:\n{self.output.read_text()[-3000:]}")
            time.sleep(0.01)

    def workers(self) -> list[psutil.Process]:
        """Return its workers' processes, but for one that is only held."""
        recorded = self._recorded()
        return [process for part, process in self._processes() if part == "workers" and process.pid in recorded]

    def spent_s(self) -> Counter[str]:
        """Return the CPU seconds of each part so far; a worker that ended is no longer in it."""
        spent: Counter[str] = Counter()
        for part, process in self._processes():
            times = process.cpu_times()
            spent[part] += times.user + times.system
        return spent

    def logged(self, name: str, event: str) -> list[dict[str, Any]]:
        """Return what logs whose names begin with ``name`` have of an event, each with ``at``, seconds since 1970."""
        found = []
        for path in sorted((self.data_dir / "logs").glob(f"{name}*.log")):
            for line in path.read_text().splitlines():
                record = json.loads(line) if line.startswith("{") else {}
                if str(record.get("event", "")).startswith(event):
                    found.append({**record, "at": datetime.fromisoformat(record["timestamp"]).timestamp()})
        return found

    def stop(self) -> None:
        """Stop it and leave nothing."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(TIMEOUT_S)

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        """Yield each process that was ever recorded and runs, and its children, which do its work."""
        recorded = self._recorded()
        for pid in recorded:
            try:
                process = psutil.Process(pid)
                part = _part(process, "others")
                yield part, process
                # Workers are the autoscaler's children, and count as themselves; so does what is to be one.
                yield from ((_part(child, part), child) for child in process.children() if child.pid not in recorded)
            except psutil.Error:
                continue  # it has just ended

    def _recorded(self) -> set[int]:
        return {json.loads(path.read_text())["pid"] for path in (self.data_dir / "run").glob("*.json")}


def _part(process: psutil.Process, otherwise: str) -> str:
    return next((PARTS[word] for word in reversed(process.cmdline()) if word in PARTS), otherwise)


@contextmanager
def whole(root: Path, data_dir: Path, **settings: str) -> Iterator[Whole]:
    """Run one, ready to be used."""
    running = Whole(root, data_dir, **settings)
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()
