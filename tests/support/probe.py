"""Asks a process of its own what becomes of image files, one after the other, and what each costs.

A file that takes too much of the processor, or crashes, ends the process; the next one is asked of a new one.
"""

from __future__ import annotations

import io
import json
import os
import resource
import select
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__)
MAX_PIXELS = 100_000_000
MEMORY_BYTES = 8_000_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a file.

    Attributes:
        outcome: "done", "refused", "error", "late" or "crashed".
        words: the result, the reason or the error.
        cpu_s: of the processor, those of other processes included that it started.
        peak_mb: of memory besides what the process and the file hold anyway.
    """

    outcome: str
    words: str
    cpu_s: float
    peak_mb: float


class Probe:
    """Asks about files.

    Args:
        root: the checkout whose code is asked.
        cpu_s: what one file may take of the processor, in seconds.
    """

    def __init__(self, root: Path = HERE.parents[2], cpu_s: float = 20) -> None:
        self._root, self._cpu_s = root, cpu_s
        self._process: subprocess.Popen[str] | None = None

    def ask(self, what: str, path: Path) -> Answer:
        """Return what becomes of a file by `what`: door, eight (at once at the door), preview or worker."""
        if self._process is None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None
        process.stdin.write(json.dumps([what, str(path)]) + "\n")
        process.stdin.flush()
        line, spent = self._line(process)
        if line:
            return Answer(**json.loads(line))
        self.close()
        return Answer("late" if spent > self._cpu_s else "crashed", "", round(spent, 2), 0)

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", str(HERE)]
        environment = os.environ | {"PYTHONPATH": str(self._root), "MALLOC_ARENA_MAX": "2"}
        return subprocess.Popen(
            command,
            cwd=self._root,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def _line(self, process: subprocess.Popen[str]) -> tuple[str, float]:
        """Return what the process says and what it took of the processor; nothing if that is too much, or it ended."""
        watched = psutil.Process(process.pid)
        before = _cpu_s(watched)
        spent = 0.0
        while spent <= self._cpu_s:
            if select.select([process.stdout], [], [], 0.2)[0]:
                assert process.stdout is not None
                return process.stdout.readline(), spent
            with suppress(psutil.Error):
                spent = _cpu_s(watched) - before
        return "", spent

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Answer a line of JSON for each that comes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    ways = _ways()
    for line in sys.stdin:
        what, path = json.loads(line)
        data = Path(path).read_bytes()
        answer = _measured(lambda ways=ways, what=what, data=data: ways[what](data))  # type: ignore[misc]
        print(json.dumps(answer), flush=True)  # noqa: T201


def _measured(way: Callable[[], object]) -> dict[str, Any]:
    from app.errors import InvalidImage

    Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew.
    held, spent = _status("VmHWM"), _spent_s()
    try:
        outcome, words = "done", str(way())
    except InvalidImage as err:
        outcome, words = "refused", str(err)
    except Exception as err:
        outcome, words = "error", repr(err)
    peak = (_status("VmHWM") - held) / 1000
    cpu_s = _spent_s() - spent
    return {"outcome": outcome, "words": words[:200], "cpu_s": round(cpu_s, 4), "peak_mb": round(peak, 1)}


def _status(name: str) -> int:
    """Return a figure of this process's memory, in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def _spent_s() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _ways() -> dict[str, Callable[[bytes], object]]:
    """Return the ways to ask, of this checkout's code or an older one's."""
    try:
        from app.images.check import check
    except ImportError:
        from app.images import check  # type: ignore[attr-defined, no-redef]
    from tasks.engine.artifact import Preprocessing
    from tasks.engine.decode import decode

    try:
        from app.images.small import small
    except ImportError:
        from web.batches.preview import render  # type: ignore[attr-defined]

        def small(data: bytes, *, side: int, max_pixels: int) -> bytes:
            return bytes(render(data, side=side, max_pixels=max_pixels)[0])

    how = Preprocessing(256, 224, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    pool = ThreadPoolExecutor(8)

    def door(data: bytes) -> object:
        return check(io.BytesIO(data), max_pixels=MAX_PIXELS).content_type

    def eight(data: bytes) -> object:
        return list(pool.map(door, [data] * 8))

    return {
        "door": door,
        "eight": eight,
        "preview": lambda data: len(small(data, side=400, max_pixels=MAX_PIXELS)),
        "worker": lambda data: decode(data, how, max_pixels=MAX_PIXELS).shape,
    }


if __name__ == "__main__":
    main()
