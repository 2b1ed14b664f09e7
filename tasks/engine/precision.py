"""Which precision an artifact runs in here: the cheaper one, as measured on this very host, of int8 and its best other.

What was measured is kept beside the artifact, where that can be written, and taken from there the next time.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import structlog

from tasks.engine.artifact import Manifest
from tasks.engine.openvino_runner import OpenVinoRunner, host

log = structlog.get_logger(__name__)

KEPT = "measured.json"
# Images that each runs at most, in turns, and the CPU seconds after which no other turn begins.
TURNS, SECONDS = 12, 0.5
# int8 is taken where it costs this part of the other at most: a little less would not pay for what it may lose.
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
    if wanted != "auto" or not manifest.int8.get("taken"):
        return OpenVinoRunner(folder, wanted)
    key = f"{host()}, artifact {manifest.fingerprint}"
    costs = _kept(folder, key)
    try:
        return OpenVinoRunner(folder, _best(costs)) if costs else _cheaper(folder, key)
    except Exception:  # Whatever is wrong with int8 here, its model still runs.
        log.exception("precision_not_measured")
        return OpenVinoRunner(folder)


def _cheaper(folder: Path, key: str) -> OpenVinoRunner:
    """Return the runner that costs less, having measured both."""
    both = [OpenVinoRunner(folder, "int8"), OpenVinoRunner(folder)]
    costs = {each.precision: cost for each, cost in zip(both, _measured(both), strict=True)}
    log.info("precision_measured", core_ms=costs, kept=_keep(folder, key, costs))
    return next(each for each in both if each.precision == _best(costs))


def _best(costs: dict[str, float]) -> str:
    other = next(precision for precision in costs if precision != "int8")
    return "int8" if costs["int8"] <= WORTH * costs[other] else other


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
        found = {str(name): float(cost) for name, cost in json.loads((folder / KEPT).read_bytes())[key].items()}
        if "int8" in found and len(found) == 2:
            return found
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
