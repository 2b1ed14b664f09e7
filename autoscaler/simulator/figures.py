"""The figures of a run, of several runs that differ by chance alone, and how people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from autoscaler.simulator.world import Outcome, World
from autoscaler.values import Limits

# What each figure is called and counted in, for people. A share is told in percent.
WORDS: dict[str, tuple[str, str]] = {
    "images": ("images", ""),
    "work_seconds": ("work", "instance-s"),
    "billed_seconds": ("billed", "instance-s"),
    "billed_over_work": ("billed over work", "times"),
    "bound_over_work": ("bound over work", "times"),
    "over_bound": ("billed over bound", "times"),
    "launches": ("launches", ""),
    "wasted_launches": ("launches without work", ""),
    "peak_instances": ("instances at most", ""),
    "p50": ("half wait at most", "s"),
    "p95": ("95 % wait at most", "s"),
    "p99": ("99 % wait at most", "s"),
    "longest": ("longest wait", "s"),
    "over_target": ("images over the target", ""),
    "share_over_target": ("of all images", "%"),
    "under_provisioning": ("instances lacking", "%"),
    "over_provisioning": ("instances too many", "%"),
}


def report(outcome: Outcome, arrivals_s: Sequence[float], limits: Limits, world: World) -> dict[str, Any]:
    """Return the figures of a run; waits and bills in seconds, shares between 0 and 1."""
    waits = sorted(outcome.waits_s)
    billed = sum(seconds for seconds, _ in outcome.bills)
    work = len(waits) / world.rate
    return {
        "images": len(waits),
        "work_seconds": round(work, 3),
        "billed_seconds": round(billed, 3),
        "billed_over_work": round(billed / work, 4) if work else None,
        "launches": len(outcome.bills),
        "wasted_launches": sum(not done for _, done in outcome.bills),
        "peak_instances": max((instances for *_, instances in outcome.course), default=0),
        **{f"p{part}": _percentile(waits, part) for part in (50, 95, 99)},
        "longest": round(waits[-1], 3) if waits else None,
        "over_target": sum(wait > limits.target_s for wait in waits),
        "share_over_target": round(sum(wait > limits.target_s for wait in waits) / len(waits), 6) if waits else 0.0,
        **_elasticity(outcome, arrivals_s, world),
    }


def over_bound(figures: Mapping[str, Any], bound_s: float) -> dict[str, float]:
    """Return a bound over a run's work, and the run's bill over the bound, which is in seconds."""
    return {
        "bound_over_work": round(bound_s / figures["work_seconds"], 4),
        "over_bound": round(figures["billed_seconds"] / bound_s, 4),
    }


def spread(runs: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, tuple[Any, Any]]]:
    """Return the mean of each figure over several runs, and its least and most."""
    known = {name: [run[name] for run in runs if run[name] is not None] for name in runs[0]}
    means = {name: round(fmean(values), 6) if values else None for name, values in known.items()}
    return means, {name: (min(values), max(values)) for name, values in known.items() if values}


def table(columns: Mapping[str, tuple[Mapping[str, Any], Mapping[str, tuple[Any, Any]]]]) -> str:
    """Return figures side by side for people, with their units; where runs differ, the least and the most of them.

    Args:
        columns: of each policy the figures and their spread, which is empty for one run.
    """
    names = [name for name in WORDS if any(name in figures for figures, _ in columns.values())]
    head = ["", *columns]
    rows = [
        [WORDS[name][0], *(_cell(name, figures.get(name), spread.get(name)) for figures, spread in columns.values())]
        for name in names
    ]
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in [head, *rows]
    ]
    return "\n".join(line.rstrip() for line in lines)


def _cell(name: str, value: Any, spread: tuple[Any, Any] | None) -> str:
    if value is None:
        return "none"
    unit = WORDS[name][1]
    said = f"{_number(value, unit)} {unit}".strip()
    if spread and spread[0] != spread[1]:
        return f"{said} ({_number(spread[0], unit)} to {_number(spread[1], unit)})"
    return said


def _number(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.3g}"
    if unit == "times":
        return f"{value:.3f}"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.1f}"


def _percentile(ascending: Sequence[float], part: float) -> float | None:
    """Return the smallest wait that ``part`` percent do not exceed."""
    return round(ascending[math.ceil(len(ascending) * part / 100) - 1], 3) if ascending else None


def _elasticity(outcome: Outcome, arrivals_s: Sequence[float], world: World, step_s: float = 60.0) -> dict[str, float]:
    """Return under- and over-provisioning: instances that lack or are too many, over those demanded, in the mean.

    A minute demands as many instances as its arrivals keep busy.
    Source: SPEC Research Group, Ready for Rain? A View from SPEC Research on the Future of Cloud Metrics, accuracy.
    """
    demand: dict[int, int] = {}
    for arrival in arrivals_s:
        demand[int(arrival // step_s)] = demand.get(int(arrival // step_s), 0) + 1
    lacking = surplus = steps = 0.0
    for at_s, _, _, instances in outcome.course:
        needed = math.ceil(demand.get(int(at_s // step_s), 0) / step_s / world.rate)
        lacking += max(0, needed - instances) / max(1, needed)
        surplus += max(0, instances - needed) / max(1, needed)
        steps += 1
    return {
        "under_provisioning": round(lacking / max(1, steps), 4),
        "over_provisioning": round(surplus / max(1, steps), 4),
    }
