"""One image's trace, from real spans: ``.venv/bin/python tests/benchmarks/traced_image.py --svg docs/trace.svg``.

A real web tier, a warm worker and the embedded cloud, each traced into a collector of this process; of some uploads of
one image, one after the other, the one that took the median time is told and drawn.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import sys
import tempfile
from pathlib import Path

import urllib3

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from _photographs import small_jpegs  # noqa: E402
from watching import POLLS, Site, tiers  # noqa: E402

from app.local import EmbeddedCloud  # noqa: E402
from app.local.cloud import CREDENTIALS  # noqa: E402
from tests.support.collector import Collector, Span  # noqa: E402
from tests.support.waiting import wait_for  # noqa: E402

UPLOADS = 9
LAST = "announced"
WIDTH, NAMES, ROW, EDGE = 980, 250, 24, 16
COLOURS = {"elastiq-web": "#3b7dd8", "elastiq-worker": "#d9822b"}
# Time in which nothing of ours runs.
WAITS, WAITING = "waited", "#9aa4b2"


def traces() -> list[list[Span]]:
    """Upload images one after the other; return each one's spans, in the order in which they began."""
    with tempfile.TemporaryDirectory() as folder, Collector() as collector:
        cloud = EmbeddedCloud(Path(folder) / "cloud")
        cloud.start()
        try:
            site = Site(cloud, Path(folder))
            traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
            with tiers(site, "web", **traced) as urls, site.worker(**traced, **POLLS):
                address = urls["web"].replace("/metrics", "/api/batches")
                for number in range(UPLOADS):
                    image = ("files", (f"{number}.jpg", small_jpegs()[number]))
                    id = urllib3.request("POST", address, fields=[image]).json()["id"]
                    wait_for(lambda id=id: _whole(collector.spans, id))
            return [_of(collector.spans, first) for first in _uploads(collector.spans)]
        finally:
            cloud.stop()


def _uploads(spans: list[Span]) -> list[Span]:
    return [span for span in spans if span.name == "POST /api/batches"]


def _of(spans: list[Span], first: Span) -> list[Span]:
    return sorted(
        (span for span in spans if span.trace == first.trace), key=lambda span: (span.begun_at, -span.ended_at)
    )


def _whole(spans: list[Span], batch: str) -> bool:
    """Return whether the trace of a batch of one image has come, its first span and its last."""
    mine = {s.trace for s in spans if str(s.attributes.get("elastiq.key", "")).startswith(batch)}
    names = {span.name for span in spans if span.trace in mine}
    return {"POST /api/batches", "run/tasks.classify", LAST} <= names


def seconds(spans: list[Span]) -> float:
    """Return how long a trace took."""
    return max(span.ended_at for span in spans) - spans[0].begun_at


def picture(spans: list[Span]) -> str:
    """Return a trace as SVG: a bar for each span, on one scale of milliseconds."""
    whole, begun = seconds(spans), spans[0].begun_at
    depth = _depths(spans)
    height = 2 * EDGE + ROW * (len(spans) + 1)
    scale = (WIDTH - NAMES - 90) / whole
    rows = []
    for row, span in enumerate(spans):
        y, x = EDGE + ROW * row, NAMES + scale * (span.begun_at - begun)
        width = max(1.5, scale * (span.ended_at - span.begun_at))
        colour = WAITING if span.name.startswith(WAITS) else COLOURS[span.service]
        took = f"{1000 * (span.ended_at - span.begun_at):.1f} ms"
        name = html.escape(span.name)
        rows.append(
            f'<text x="{EDGE + 14 * depth[span.id]}" y="{y + 16}">{name}</text>'
            f'<rect x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="{ROW - 8}" rx="2" fill="{colour}"/>'
            f'<text x="{x + width + 6:.1f}" y="{y + 16}" class="took">{took}</text>'
        )
    legend = [(COLOURS["elastiq-web"], "web"), (COLOURS["elastiq-worker"], "worker"), (WAITING, "waits")]
    y = height - EDGE - 12
    for number, (colour, what) in enumerate(legend):
        x = NAMES + 110 * number
        rows.append(
            f'<rect x="{x}" y="{y}" width="12" height="12" rx="2" fill="{colour}"/>'
            f'<text x="{x + 18}" y="{y + 11}">{what}</text>'
        )
    style = "text{font:13px sans-serif;fill:#24292f}.took{fill:#57606a;font-size:12px}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>One image's trace: {1000 * whole:.0f} ms from its upload to the announcement of its label</title>"
        f'<style>{style}</style><rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(rows) + "\n</svg>\n"
    )


def _depths(spans: list[Span]) -> dict[str, int]:
    """Return how deep each span lies in its trace."""
    parents = {span.id: span.parent for span in spans}

    def depth(id: str) -> int:
        return 1 + depth(parents[id]) if parents.get(parents[id]) is not None else 0

    return {span.id: depth(span.id) for span in spans}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--svg", type=Path, help="where to draw it")
    given = parser.parse_args()
    os.environ.update(CREDENTIALS)
    found = sorted(traces(), key=seconds)
    median = found[len(found) // 2]
    if given.svg:
        given.svg.write_text(picture(median))
    told = [
        {"span": span.name, "by": span.service, "at_ms": round(1000 * (span.begun_at - median[0].begun_at), 1),
         "took_ms": round(1000 * (span.ended_at - span.begun_at), 1)}
        for span in median
    ]  # fmt: skip
    print(json.dumps({"uploads": len(found), "ms": round(1000 * seconds(median), 1), "spans": told}))


if __name__ == "__main__":
    main()
