"""The report of a campaign as JSON, and as a page with pictures: load, faults, fleet and latency on one time line."""

from __future__ import annotations

import argparse
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from tests.campaign.faults import Trouble
from tests.campaign.gauges import Sample
from tests.campaign.law import Verdict, recovery_s

WIDTH, HEIGHT, LEFT = 1160, 130, 60
# What a process may have gained from the second third of its time to the last before it is said to grow.
GROWTH_MB, GROWTH_THREADS, GROWTH_FILES = 40, 8, 24


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
) -> dict[str, Any]:
    """Return the report."""
    delays = list(verdict.delays.values())
    waits = sorted(done - accepted for accepted, done in delays)
    recoveries: dict[str, list[float | None]] = defaultdict(list)
    for trouble in troubles:
        recoveries[" and ".join(trouble.names)].append(recovery_s(delays, trouble.began, trouble.ended))
    told = [value for values in recoveries.values() for value in values if value is not None]
    left = _left(rest)
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
            "troubles": [(trouble.names, trouble.began, trouble.ended) for trouble in troubles],
            "samples": [(one.at, *one.depth, one.dead, one.listeners, one.workers) for one in samples],
            "memory": [(one.at, _by_kind(one)) for one in samples],
            "images": sorted((round(accepted, 1), round(done, 1)) for accepted, done in delays),
        },
    }  # fmt: skip


def growth(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what each process that lived for a third of the time held early and late, and whether that grew."""
    series: dict[str, list[tuple[float, int, int]]] = defaultdict(list)
    for sample in samples:
        for name, held in sample.held.items():
            series[name].append(held)
    found = {}
    for name, values in series.items():
        if len(values) < max(10, len(samples) / 3):
            continue
        third = len(values) // 3
        early, late = (
            [statistics.median(one[index] for one in part) for index in range(3)]
            for part in (values[third : 2 * third], values[-third:])  # the first is still warming up
        )
        limits = (GROWTH_MB, GROWTH_THREADS, GROWTH_FILES)
        grown = any(after - before > limit for before, after, limit in zip(early, late, limits, strict=True))
        found[name] = {"early": [round(one) for one in early], "late": [round(one) for one in late], "grown": grown}
    return found


def page(found: Mapping[str, Any]) -> str:
    """Return the report as a page of HTML that stands alone."""
    line = found["timeline"]
    end = max([*(one[0] for one in line["samples"]), line["began"] + 1])
    rows = [
        _chart("images a 10 s: accepted, and done", line, end, [_rate(line, 0), _rate(line, 1)]),
        _chart(
            "seconds from accepted to done", line, end, [[(done, done - at) for at, done in line["images"]]], dots=True
        ),
        _chart("messages: visible, in flight", line, end, [[(s[0], s[n]) for s in line["samples"]] for n in (1, 2)]),
        _chart("workers", line, end, [[(s[0], s[6]) for s in line["samples"]]]),
        _chart(
            "queues of listeners; dead letters", line, end, [[(s[0], s[n]) for s in line["samples"]] for n in (5, 4)]
        ),
        _chart("MB held by all of a kind", line, end, _memory(line)),
    ]
    images = found["images"]
    words = "The law was kept." if found["kept"] else "THE LAW WAS BROKEN."
    facts = {
        "images accepted": images["accepted"], "lost": len(images["lost"]), "wrong": len(images["wrong"]),
        "told another label": len(images["mistold"]), "unanswered clients": images["unanswered"],
        "left over": ", ".join(found["left"]) or "nothing", "recovery, median and worst":
        f"{found['recovery']['median_s']} s, {found['recovery']['worst_s']} s",
    }  # fmt: skip
    table = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    by_fault = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(', '.join(map(str, values)))}</td></tr>"
        for name, values in sorted(found["recovery"]["by_fault_s"].items())
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Elastiq: a campaign</title><style>"
        "body{font:15px system-ui;margin:2em auto;max-width:1240px;color:#1c2733;background:#fff}"
        "th{text-align:left;font-weight:400;padding-right:2em;color:#556}td{font-variant-numeric:tabular-nums}"
        "svg{display:block;margin:6px 0 14px}text{font-size:11px;fill:#556}h2{font-size:1em;margin:0}</style>"
        f"<h1>{words}</h1><p>{found['minutes']:g} minutes, seed {found['seed']}. Grey: a fault; point at it for its "
        f"name.</p><table>{table}</table>{''.join(rows)}<h2>Seconds to recover, by fault</h2>"
        f"<table>{by_fault}</table></html>"
    )


def _left(rest: Mapping[str, Any]) -> list[str]:
    """Return what was left over, in words."""
    wanted = {"without_outcome": "images without outcome", "messages": "messages in the task queue",
              "workers": "workers", "clients": "clients that waited"}  # fmt: skip
    found = [f"{rest[name]} {words}" for name, words in wanted.items() if rest[name]]
    found += [f"the queue {queue} of a process that had ended" for queue in rest["listeners"]]
    return found + [f"the process {process}" for process in rest["processes"]]


def _by_kind(sample: Sample) -> dict[str, float]:
    held: Counter[str] = Counter()
    for name, (megabytes, _, _) in sample.held.items():
        held[name.partition(" ")[0].partition("-")[0]] += round(megabytes)
    return dict(held)


def _memory(line: Mapping[str, Any]) -> list[list[tuple[float, float]]]:
    kinds = sorted({kind for _, held in line["memory"] for kind in held})
    return [[(at, held.get(kind, 0)) for at, held in line["memory"]] for kind in kinds]


def _rate(line: Mapping[str, Any], which: int) -> list[tuple[float, float]]:
    counts = Counter(int(image[which] // 10 * 10) for image in line["images"])
    if not counts:
        return []
    return [(at, counts.get(at, 0)) for at in range(min(counts), max(counts) + 10, 10)]


COLOURS = ("#2563a8", "#c2571a", "#3a7d44", "#7b4ea3", "#a8324a")


def _chart(
    title: str, line: Mapping[str, Any], end: float, series: Iterable[list[tuple[float, float]]], *, dots: bool = False
) -> str:
    """Return one strip of the time line."""
    drawn = [points for points in series if points]
    top = max([1.0, *(value for points in drawn for _, value in points)])
    scale = (WIDTH - LEFT) / max(1.0, end - line["began"])

    def at(time: float, value: float) -> str:
        return f"{LEFT + (time - line['began']) * scale:.1f},{HEIGHT - 15 - value / top * (HEIGHT - 35):.1f}"

    bands = "".join(
        f"<rect x='{LEFT + (start - line['began']) * scale:.1f}' y='15' width='{max(1.0, (stop - start) * scale):.1f}'"
        f" height='{HEIGHT - 30}' fill='#dde2e8'><title>{escape(' and '.join(names))}</title></rect>"
        for names, start, stop in line["troubles"]
    )
    shapes = []
    for points, colour in zip(drawn, COLOURS, strict=False):
        if dots:
            shapes += [
                f"<circle cx='{place[0]}' cy='{place[1]}' r='1.5' fill='{colour}'/>"
                for place in (at(*point).split(",") for point in points)
            ]
        else:
            path = " ".join(at(*point) for point in points)
            shapes.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.5'/>")
    minutes = "".join(
        f"<text x='{LEFT + minute * 60 * scale:.0f}' y='{HEIGHT - 2}'>{minute}</text>"
        for minute in range(0, int((end - line["began"]) / 60) + 1, max(1, int((end - line["began"]) / 600)))
    )
    return (
        f"<svg width='{WIDTH}' height='{HEIGHT}' role='img' aria-label='{escape(title)}'>{bands}"
        f"<text x='{LEFT}' y='10'>{escape(title)}</text><text x='0' y='25'>{top:.4g}</text>"
        f"{''.join(shapes)}{minutes}</svg>"
    )


def _quantile(values: Sequence[float], share: float) -> float | None:
    return round(values[min(len(values) - 1, int(share * len(values)))], 1) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
