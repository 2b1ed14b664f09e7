"""The report of a campaign: what became of its images, of the faults, and of what each process held."""

from __future__ import annotations

import argparse
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tests.campaign.gauges import Held, Sample
from tests.campaign.law import Verdict, recovery_s, repeats
from tests.campaign.plan import Trouble

# What a process may have gained from the second third of its time to the last before it is said to grow.
GROWTH_MB, GROWTH_THREADS, GROWTH_FILES, GROWTH_QUEUES = 40, 8, 24, 2


def made(
    options: argparse.Namespace,
    began: float,
    verdict: Verdict,
    troubles: Sequence[Trouble],
    samples: Sequence[Sample],
    *,
    rest: Mapping[str, Any],
    stops: Mapping[str, float],
    sent: Mapping[str, int],
    starts: Mapping[str, int],
    met: Mapping[str, int],
    stored: Sequence[tuple[str, float]],
) -> dict[str, Any]:
    """Return the report."""
    delays = list(verdict.delays.values())
    waits = sorted(done - accepted for accepted, done in delays)
    recoveries: dict[str, list[float | None]] = defaultdict(list)
    for trouble in troubles:
        recoveries[" and ".join(trouble.names)].append(recovery_s(delays, trouble.began, trouble.ended))
    told = [value for values in recoveries.values() for value in values if value is not None]
    left, held = _left(rest), [(trouble.names, trouble.began, trouble.ended) for trouble in troubles]
    return {
        "minutes": options.minutes,
        "seed": options.seed,
        "kept": verdict.kept() and not left,
        "images": {
            "sent": dict(sent), "accepted": verdict.accepted, "refused": verdict.refused,
            "unanswered": verdict.unanswered, "lost": verdict.lost, "wrong": verdict.wrong,
            "mistold": verdict.mistold, "twofold": verdict.twofold,
            "wait_p50_s": _quantile(waits, 0.5), "wait_p99_s": _quantile(waits, 0.99),
        },
        "left": left,
        "rest": dict(rest),
        "faults": dict(Counter(name for trouble in troubles for name in trouble.names)),
        "repeats": repeats(stored, verdict.delays, held),
        "calls_changed": dict(met),
        "recovery": {
            "median_s": round(statistics.median(told), 1) if told else None,
            "worst_s": round(max(told), 1) if told else None,
            "never": [name for name, values in recoveries.items() if None in values],
            "by_fault_s": {name: [_rounded(value) for value in values] for name, values in recoveries.items()},
        },
        "growth": growth(samples),
        "starts": dict(starts),
        "stops_s": dict(stops),
        "timeline": {
            "began": began,
            "troubles": held,
            "samples": [(one.at, *one.depth, one.dead, one.listeners, one.workers) for one in samples],
            "memory": [(one.at, _by_kind(one)) for one in samples],
            "images": sorted((round(accepted, 1), round(done, 1)) for accepted, done in delays),
        },
    }  # fmt: skip


def growth(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what each process that lived for a third of the time held early and late, and whether that grew."""
    series: dict[str, list[Held]] = defaultdict(list)
    for sample in samples:
        for name, held in sample.held.items():
            series[name].append(held)
    found = {}
    for name, values in series.items():
        if len(values) < max(10, len(samples) / 3):
            continue
        third = len(values) // 3
        early, late = (
            [statistics.median(one[index] for one in part) for index in range(4)]
            for part in (values[third : 2 * third], values[-third:])  # the first is still warming up
        )
        limits = (GROWTH_MB, GROWTH_THREADS, GROWTH_FILES, GROWTH_QUEUES)
        grown = any(after - before > limit for before, after, limit in zip(early, late, limits, strict=True))
        found[name] = {"early": [round(one) for one in early], "late": [round(one) for one in late], "grown": grown}
    return found


def _left(rest: Mapping[str, Any]) -> list[str]:
    """Return what was left over, in words."""
    wanted = {"without_outcome": "images without outcome", "messages": "messages in the task queue",
              "workers": "workers", "clients": "clients that waited"}  # fmt: skip
    found = [f"{rest[name]} {words}" for name, words in wanted.items() if rest[name]]
    found += [f"the queue {queue} of a process that had ended" for queue in rest["listeners"]]
    return found + [f"the process {process}" for process in rest["processes"]]


def _by_kind(sample: Sample) -> dict[str, float]:
    held: Counter[str] = Counter()
    for name, (megabytes, *_) in sample.held.items():
        held[name.partition(" ")[0].partition("-")[0]] += round(megabytes)
    return dict(held)


def _quantile(values: Sequence[float], share: float) -> float | None:
    return round(values[min(len(values) - 1, int(share * len(values)))], 1) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
