"""The clocks of the hosts that a campaign plays: each may be set, and all may have slept."""

from __future__ import annotations

import struct
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class Clocks:
    """A clock for each host, all true at first; it holds for the processes that have its `environment`.

    Args:
        folder: where the clocks are; made if missing.
        hosts: their names.
    """

    def __init__(self, folder: Path, hosts: tuple[str, ...]) -> None:
        folder.mkdir(parents=True)
        self._library, self.folder = folder / "clock.so", folder
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", SOURCE, "-o", self._library], check=True)
        self._set = dict.fromkeys(hosts, 0.0)
        self._sleeps: list[tuple[float, float]] = []
        for host in hosts:
            self._tell(host)

    def environment(self, host: str) -> dict[str, str]:
        """Return what makes a process live by the clock of ``host``."""
        return {"LD_PRELOAD": str(self._library), "SET_CLOCK": str(self.folder / host)}

    def step(self, host: str, seconds: float) -> None:
        """Set the wall clock of ``host`` by so many seconds; less than nothing is back."""
        self._set[host] += seconds
        self._tell(host)

    def sleep(self, seconds: float) -> None:
        """Have every host have slept for so long."""
        self._sleeps.append((self.now(), seconds))
        for host in self._set:
            self._tell(host)

    def now(self) -> float:
        """Return the time of hosts whose clock nobody has set, in seconds since 1970."""
        return time.time() + self._slept()

    def real(self, told: float) -> float:
        """Return the campaign's own time for one of the hosts', both in seconds since 1970."""
        return told - sum(min(seconds, max(0.0, told - at)) for at, seconds in self._sleeps)

    def _slept(self) -> float:
        return sum(seconds for _, seconds in self._sleeps)

    def _tell(self, host: str) -> None:
        # In place and in one piece: who reads it has it mapped.
        with (self.folder / host).open("r+b" if (self.folder / host).exists() else "wb", buffering=0) as file:
            file.write(struct.pack("dd", self._set[host] + self._slept(), self._slept()))
