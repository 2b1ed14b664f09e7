"""What a built model costs on the processor that built it: the build writes it beside the model.

The autoscaler begins with it; its host may have this one file alone. It is of no use to a worker.
"""

from __future__ import annotations

import json
import math
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "speed.json"
# What a worker does for an image beside decoding it and running the model, in core-ms (docs/engine.md).
AROUND_MS = 4.0


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured.

    Attributes:
        core_ms: milliseconds of one core for an image of 500 x 375, decoded and run.
        precision: in which the model was run.
        processor: on which, as `processor` names it.
    """

    core_ms: float
    precision: str
    processor: str

    def rate(self, cores: int) -> float:
        """Return images per second of a worker with so many such cores."""
        return 1000 * cores / (self.core_ms + AROUND_MS)

    def write(self, folder: Path) -> None:
        """Write it into a model's folder, whole or not at all."""
        new = folder / f".{FILE}"
        new.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        new.replace(folder / FILE)


def read(folder: Path) -> Speed | None:
    """Return what was written into a model's folder; None where it is not there, or something else."""
    try:
        found = json.loads((folder / FILE).read_bytes())
        speed = Speed(float(found["core_ms"]), str(found["precision"]), str(found["processor"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return speed if math.isfinite(speed.core_ms) and speed.core_ms > 0 else None


def processor() -> str:
    """Return this machine's processor, by its maker's name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.machine()
