"""A campaign's report as a page of HTML that stands alone: the verdict, the figures, one time line, and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from tests.campaign.chart import Axis, Series, chart, lane

STYLE = Path(__file__).with_name("page.css")
Line = Mapping[str, Any]


def page(found: Mapping[str, Any]) -> str:
    """Return the page."""
    kept = "The law was kept" if found["kept"] else "The law was broken"
    lead = f"{found['minutes']:g} minutes of faults, seed {found['seed']}, {found['images']['accepted']} images."
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Elastiq: a campaign</title><style>{STYLE.read_text()}</style><main>"
        f"<header class={'kept' if found['kept'] else 'broken'}><h1>{kept}</h1><p>{lead}</p></header>"
        f"{_breaches(found)}<section class=figures>{''.join(map(_figure, _figures(found)))}</section>"
        f"<section><h2>Time line</h2><p class=note>Minutes from the beginning. A shaded strip is a fault; its "
        f"number is that of the table below.</p>{''.join(_charts(found['timeline']))}</section>"
        f"<section><h2>Faults</h2>{_faults(found)}</section>"
        f"<section><h2>What each process held</h2><p class=note>Medians of the middle third of its life, and of the "
        f"last; with all that it started.</p>{_growth(found['growth'])}</section></main></html>"
    )


def _figures(found: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Return what is said in large type: a figure, what it is, and whether it is as it should be."""
    images, recovery = found["images"], found["recovery"]
    lost, wrong = len(images["lost"]), len(images["wrong"]) + len(images["mistold"]) + len(images["twofold"])
    return [
        (f"{images['accepted']:,}", "images accepted", True),
        (str(lost), "lost", not lost),
        (str(wrong), "wrong, or told otherwise", not wrong),
        (str(len(found["left"])), "things left over", not found["left"]),
        (str(sum(found["faults"].values())), f"faults that came, kinds of them: {len(found['faults'])}", True),
        (f"{sum(found['repeats'].values()):,}", "images done again", True),
        (f"{images['wait_p50_s']} s", f"the median wait; 99 of 100 within {images['wait_p99_s']} s", True),
        (f"{recovery['median_s']} s", f"to recover, in the median; {recovery['worst_s']} s at worst", True),
    ]


def _figure(one: tuple[str, str, bool]) -> str:
    figure, what, good = one
    return f"<div{'' if good else ' class=bad'}><b>{escape(figure)}</b><span>{escape(what)}</span></div>"


def _breaches(found: Mapping[str, Any]) -> str:
    """Return what broke the law, as a list; nothing where it was kept."""
    images = found["images"]
    said = [*(f"lost: {key}" for key in images["lost"]), *images["wrong"], *images["mistold"],
            *(f"two outcomes: {key}" for key in images["twofold"]),
            *(f"left over: {what}" for what in found["left"])]  # fmt: skip
    return f"<ul class=breaches>{''.join(f'<li>{escape(one)}</li>' for one in said)}</ul>" if said else ""


@dataclass(frozen=True)
class _Kind:
    """What is known of one fault, or of one pair: how often it came, and the seconds until all was well."""

    name: str
    recovered: Sequence[float | None]
    numbers: Sequence[int]

    def cells(self, repeats: Mapping[str, int]) -> list[str]:
        """Return a row of the table."""
        told = [value for value in self.recovered if value is not None]
        return [
            self.name, " ".join(map(str, self.numbers)), f"{len(told)} of {len(self.recovered)}",
            f"{median(told):.0f}" if told else "-", f"{max(told):.0f}" if told else "-",
            str(repeats.get(self.name, 0)),
        ]  # fmt: skip


def _faults(found: Mapping[str, Any]) -> str:
    numbers: dict[str, list[int]] = {}
    for number, (names, _, _) in enumerate(found["timeline"]["troubles"], 1):
        numbers.setdefault(" and ".join(names), []).append(number)
    by_fault = found["recovery"]["by_fault_s"]
    rows = [_Kind(name, by_fault[name], numbers[name]).cells(found["repeats"]) for name in sorted(by_fault)]
    head = ("fault", "when", "survived", "recovered in, s", "at worst, s", "images done again")
    calm = found["repeats"].get("no fault", 0)
    return _table(head, rows) + (
        f"<p class=note>With no fault near, {calm} images were done again.</p>" if calm else ""
    )


def _growth(growth: Mapping[str, Any]) -> str:
    head = ("process", "memory, MB", "threads", "descriptors", "listeners' queues", "")
    rows = []
    for name, held in sorted(growth.items()):
        pairs = zip(held["early"], held["late"], strict=True)
        rows.append([name, *(f"{early} → {late}" for early, late in pairs), "grows" if held["grown"] else "flat"])
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _charts(line: Line) -> list[str]:
    done = (done for _, done in line["images"])
    axis = Axis(line["began"], max([*(one[0] for one in line["samples"]), *done, line["began"] + 1]))
    bands = [(start, stop, " and ".join(names)) for names, start, stop in line["troubles"]]
    samples = line["samples"]

    def of(name: str, *columns: int) -> Series:
        return Series(name, [(one[0], sum(one[column] for column in columns)) for one in samples])

    waits = Series("", [(done, max(0.0, done - accepted)) for accepted, done in line["images"]], dots=True)
    return [
        lane(axis, bands),
        chart("Images in ten seconds", axis, bands, [_rate("accepted", line, 0), _rate("done", line, 1)]),
        chart("Seconds from accepted to done", axis, bands, [waits]),
        chart("Messages in the task queue", axis, bands, [of("visible", 1, 3), of("in flight", 2)]),
        chart("Workers", axis, bands, [of("", 6)], steps=True),
        chart("Memory by kind of process, MB", axis, bands, _memory(line)),
        chart("Queues and letters", axis, bands, [of("listeners' queues", 5), of("dead letters", 4)], steps=True),
    ]


def _memory(line: Line) -> list[Series]:
    kinds = sorted({kind for _, held in line["memory"] for kind in held})
    return [Series(kind, [(at, held.get(kind, 0)) for at, held in line["memory"]]) for kind in kinds]


def _rate(name: str, line: Line, which: int) -> Series:
    began = line["began"]
    counts = Counter(max(0, int((image[which] - began) // 10)) for image in line["images"])
    return Series(name, [(began + 10 * (n + 0.5), counts.get(n, 0)) for n in range(max(counts, default=-1) + 1)])
