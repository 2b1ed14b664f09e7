"""The SQS transport beside kombu's own, 5.6.2 and 5.7.0, in one run against one embedded cloud.

``.venv/bin/python tests/benchmarks/transport.py [--json] [--quick] [--ours]``; docs/transport.md explains the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

import _transport_measure as measure
from _transport_sides import Side, sides

from app.local import EmbeddedCloud
from app.local.cloud import CREDENTIALS

# Key -> (what it is, the measurement it comes from and its field, the target, whether more is better).
FIGURES: dict[str, tuple[str, str, str, float, bool]] = {
    "api_calls_per_task": ("SQS calls per task, idle polls excluded", "calls", "per_task", 0.35, False),
    "tasks_per_s_prefork": ("no-op tasks/s, prefork c=2", "prefork", "per_s", 800, True),
    "tasks_per_s_threads": ("no-op tasks/s, threads c=8", "threads", "per_s", 1500, True),
    "core_ms_per_task_threads": ("worker's core-ms per task, threads", "threads", "core_ms", 0.5, False),
    "publish_1000_s": ("publishing 1,000 tasks, s", "publish", "seconds", 0.25, False),
    "idle_calls_per_queue": ("idle: SQS calls per hour and queue", "idle", "calls_per_hour_and_queue", 190, False),
    "give_back_s": ("SIGTERM: prefetched tasks visible again, s", "stop", "seconds", 1.0, False),
    "idle_cpu_percent": ("idle: CPU, % of a core", "idle", "cpu_percent", 0.5, False),
}


def main() -> None:
    """Measure, and print JSON or a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="one round of each, and half a minute of idleness")
    parser.add_argument("--ours", action="store_true", help="measure ours alone, without stock Celery's environments")
    given = parser.parse_args()
    chosen = sides(ours_alone=given.ours)
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory(prefix="elastiq-transport-") as folder:
        cloud = EmbeddedCloud(Path(folder))
        cloud.start()
        try:
            measured = _measure(chosen, cloud.endpoint_url, quick=given.quick)
        finally:
            cloud.stop()
    result = _result(chosen, measured, quick=given.quick)
    print(json.dumps(result, indent=2) if given.json else _table(result))


def _measure(chosen: list[Side], url: str, *, quick: bool) -> dict[str, dict[str, Any]]:
    rounds, count, idle_s = (1, 300, 45.0) if quick else (3, 1000, 90.0)
    measured: dict[str, dict[str, Any]] = {}
    for side in chosen:
        print(f"measuring {side.name}", file=sys.stderr)
        measured[side.name] = {
            "publish": measure.publishing(side, url, rounds),
            "threads": measure.throughput(side, url, measure.THREADS, rounds),
            "prefork": measure.throughput(side, url, measure.PREFORK, rounds),
            "calls": measure.calls(side, url, count),
        }
    # Stock Celery leaves them hidden until their visibility timeout ends, 30 minutes by default.
    measured["ours"]["stop"] = measure.giving_back(chosen[-1], url, 2 if quick else 10)
    print(f"measuring idleness, {idle_s:.0f} s", file=sys.stderr)
    with ThreadPoolExecutor() as pool:
        for side, idle in zip(chosen, pool.map(lambda side: measure.idle(side, url, idle_s), chosen), strict=True):
            measured[side.name]["idle"] = idle
    return measured


def _result(chosen: list[Side], measured: dict[str, dict[str, Any]], *, quick: bool) -> dict[str, Any]:
    figures: dict[str, dict[str, Any]] = {}
    for key, (what, part, field, target, more) in FIGURES.items():
        values = {side.name: measured[side.name][part][field] for side in chosen if part in measured[side.name]}
        met = values["ours"] >= target if more else values["ours"] <= target
        figures[key] = {"what": what, **values, "target": f"{'>=' if more else '<='} {target}", "met": met}
        stock = [value for name, value in values.items() if name != "ours"]
        if stock:
            figures[key]["times_better_than_stock"] = _times_better(values["ours"], stock, more=more)
    return {
        "benchmark": "transport",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": {**_machine(), "celerys_own_cpu_s": measure.celerys_own(chosen[-1], 5)},
        "method": {
            "cloud": "ministack on the same machine, one process for all sides",
            "throughput": "median of the rounds; the worker is frozen while the queue is filled; a round has as many "
            "tasks as the side does in about 3 s (5,000 at most), so a slow side has few",
            "core_ms": "user and system time of the worker and its children, from the first to the last message",
            "celerys_own": "CPU seconds of publishing 1,000 tasks into memory: what Celery itself costs on this "
            "machine, a yardstick for the figures",
            "calls": "counted by a proxy in a pass of its own: threads c=8, published while the worker waits",
            "give_back": "the longest of the trials, from SIGTERM: what was read ahead beside two running tasks",
            "idle": "extrapolated to an hour from the time measured, all sides at once; ours polls two queues, "
            "tasks and remote control, and sends heartbeats, which measured.ours.idle counts apart",
        },
        "versions": {side.name: side.versions() for side in chosen},
        "settings": {side.name: side.conf for side in chosen},
        "figures": figures,
        "measured": measured,
    }


def _times_better(ours: float, stock: list[float], *, more: bool) -> float:
    """Return how many times better ours is than the better of stock's; machine and load count for little in it."""
    return round(ours / max(stock) if more else min(stock) / max(ours, 1e-9), 2)


def _machine() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_1_min": round(os.getloadavg()[0], 2),
    }


def _table(result: dict[str, Any]) -> str:
    names = list(result["versions"])
    lines = [f"{'':42}" + "".join(f"{name:>12}" for name in [*names, "target", "met"])]
    for figure in result["figures"].values():
        values = "".join(f"{figure.get(name, '-'):>12}" for name in names)
        lines.append(f"{figure['what']:42}{values}{figure['target']:>12}{'yes' if figure['met'] else 'NO':>12}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
