"""Which precision an artifact runs in here: the cheapest, as measured on this very host.

Of int8, where the artifact has it, and the processor's fastest by name; where int8 does not win, of all that are not.
What was measured is kept beside the artifact, where that can be written, and taken from there the next time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import structlog

from tasks.engine.artifact import Manifest
from tasks.engine.openvino_runner import INT8, OpenVinoRunner, floats, host

log = structlog.get_logger(__name__)

KEPT = "measured.json"
# Images that each runs at most, in turns, and the CPU seconds after which no other turn begins.
TURNS, SECONDS = 12, 0.5
# The less exact is taken where it costs this part of the other at most: a little would not pay for what it may lose.
WORTH = 0.9


def runner(folder: Path, manifest: Manifest, wanted: str) -> OpenVinoRunner:
    """Return what runs the artifact in the precision ``wanted``, or in the cheapest where that is ``auto``.

    Args:
        folder: of the artifact.
        manifest: its own.
        wanted: ``int8``, ``bf16``, ``fp16``, ``fp32`` or ``auto``.

    Raises:
        ConfigurationError: the artifact or the processor does not have the precision.
    """
    if wanted != "auto":
        return OpenVinoRunner(folder, wanted)
    key, had = f"{host()}, artifact {manifest.fingerprint}", floats()
    if manifest.int8.get("taken"):
        try:
            found = _cheapest(folder, key, [INT8, had[0]])
        except Exception:  # Whatever is wrong with int8 here, its model still runs.
            log.exception("precision_not_measured")
        else:
            if found.precision == INT8 or len(had) == 1:
                return found
    return _cheapest(folder, key, had)


def _cheapest(folder: Path, key: str, precisions: Sequence[str]) -> OpenVinoRunner:
    """Return what runs in the cheapest of some precisions, the most exact last, as was measured or is now."""
    if len(precisions) == 1:
        return OpenVinoRunner(folder, precisions[0])
    known = _kept(folder, key)
    if known.keys() >= {*precisions}:
        return OpenVinoRunner(folder, _best(known, precisions))
    runners = [OpenVinoRunner(folder, precision) for precision in precisions]
    costs = dict(zip(precisions, _measured(runners), strict=True))
    log.info("precision_measured", core_ms=costs, kept=_keep(folder, key, {**known, **costs}))
    best = _best(costs, precisions)
    return next(each for each in runners if each.precision == best)


def _best(costs: Mapping[str, float], precisions: Sequence[str]) -> str:
    best = precisions[-1]
    for precision in reversed(precisions[:-1]):
        if costs[precision] <= WORTH * costs[best]:
            best = precision
    return best


def _measured(runners: list[OpenVinoRunner]) -> list[float]:
    """Return the core-milliseconds an image of each, the least of some turns: what else runs here only adds."""
    pixels = np.random.default_rng(0).integers(0, 256, runners[0].shape, np.uint8)
    took: list[list[float]] = [[] for _ in runners]
    until = time.process_time() + SECONDS
    for _ in range(TURNS):
        for each, times in zip(runners, took, strict=True):
            began = time.process_time()
            each.run(pixels)
            times.append(round(1000 * (time.process_time() - began), 3))
        if time.process_time() > until:
            break
    return [min(times) for times in took]


def _kept(folder: Path, key: str) -> dict[str, float]:
    """Return what was measured here before; nothing where nothing was, or it can't be read."""
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        return {str(name): float(cost) for name, cost in json.loads((folder / KEPT).read_bytes())[key].items()}
    return {}


def _keep(folder: Path, key: str, costs: dict[str, float]) -> bool:
    """Write down what was measured; return whether that could be done."""
    try:
        kept = json.loads((folder / KEPT).read_bytes())
    except (OSError, ValueError):
        kept = {}
    new = folder / f".{KEPT}-{os.getpid()}"
    try:
        new.write_text(json.dumps({**(kept if isinstance(kept, dict) else {}), key: costs}, indent=1) + "\n")
        new.rename(folder / KEPT)
    except OSError:
        new.unlink(missing_ok=True)
        return False
    return True
