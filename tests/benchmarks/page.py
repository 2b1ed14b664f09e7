"""What 10,000 photographs cost on the page: from a chosen folder to the last label, in a real chromium.

    .venv/bin/python tests/benchmarks/page.py [--json] [--images N] [--drop]

Files of 320 x 240 in folders, a real upload to a real web process, the embedded cloud's queue and buckets. Labels come
from a thread that reads the queue, stores results and announces them, as workers do: the page is measured, and no
model. All of it shares this machine. Long tasks are those of the page's thread, by phase; a folder that is chosen, and
not dropped, is traced to tell the browser's own part.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from _choosing import choose, drop, traced  # noqa: E402
from _labeller import Labeller  # noqa: E402

from app.account.provision import provision  # noqa: E402
from app.local import EmbeddedCloud  # noqa: E402
from app.local.cloud import CREDENTIALS  # noqa: E402
from app.settings import Settings  # noqa: E402
from tests.e2e.conftest import ARGUMENTS, chromium  # noqa: E402
from tests.support import photographs  # noqa: E402
from tests.support.fleet import wait_for_listener  # noqa: E402
from tests.support.web import Site  # noqa: E402

FOLDERS = 20
PATIENCE_S = 1800
LONG_MS = 200
WATCH = """
window.long = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) window.long.push([startTime, duration]);
}).observe({ type: "longtask", buffered: true });
"""
TAKEN = "() => !document.querySelector('#work').hidden"
UPLOADED = "() => !document.querySelector('#pace').textContent.includes('to upload')"
FINISHED = "(n) => document.title === 'Elastiq' && document.querySelector('#tally').textContent === n"


def _write(folder: Path, images: int) -> int:
    """Write so many photographs in folders; return their bytes in all."""
    jpegs = []
    for path in photographs.labelled():
        file = io.BytesIO()
        Image.open(path).convert("RGB").crop((6, 64, 506, 439)).resize((320, 240)).save(file, "JPEG", quality=80)
        jpegs.append(file.getvalue())
    total = 0
    for n in range(images):
        path = folder / f"day {n % FOLDERS}" / f"{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = jpegs[n % len(jpegs)]
        path.write_bytes(data)
        total += len(data)
    return total


def measure(site: Site, images: int, folder: Path, dropped: bool) -> dict[str, Any]:
    """Upload them all by the page, look at them, and return the figures."""
    size = _write(folder / "photographs", images)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(WATCH)
        page.goto(site.url)
        before = {"tab": _tab_mb(), "server": _server_mb(site)}
        figures: dict[str, Any] = {"images": images, "mb": round(size / 1e6), "by": "drop" if dropped else "button"}
        _long(page)
        figures |= _handed_in(page, site, images, folder / "photographs", dropped)
        figures["memory_mb"] |= {"before": before, "in_the_end": {"tab": _tab_mb(), "server": _server_mb(site)}}
        figures["script_heap_mb"] = _heap_mb(page)
        figures["tiles_in_the_page"] = page.locator(".tile").count()
        for name, act in LOOKS.items():
            act(page)
            page.wait_for_timeout(1500)
            figures["long_tasks"][name] = _long(page)
        page.goto(page.url)
        page.wait_for_function(FINISHED, arg=f"{images:,}", timeout=1000 * PATIENCE_S)
        figures["long_tasks"]["reload"] = _long(page)
        browser.close()
    return figures


def _handed_in(page: Page, site: Site, images: int, folder: Path, dropped: bool) -> dict[str, Any]:
    """Hand a folder in and wait for its labels; return what each phase took."""
    trace: dict[str, Any] = {}
    began = time.monotonic()
    if dropped:
        drop(page, folder)
        page.wait_for_function(TAKEN, timeout=1000 * PATIENCE_S)
    else:
        with traced(page, trace):
            choose(page, folder)
    chosen, choosing = time.monotonic(), _long(page)
    with Labeller(site):
        most = _until(page, site, UPLOADED)
        uploaded, uploading = time.monotonic(), _long(page)
        most_after = _until(page, site, FINISHED, f"{images:,}")
    finished = time.monotonic()
    return {
        "seconds": {
            "choosing": round(chosen - began, 1),
            "uploading": round(uploaded - chosen, 1),
            "to_the_last_label": round(finished - chosen, 1),
        },
        "images_uploaded_per_s": round(images / (uploaded - chosen), 1),
        "images_labelled_per_s": round(images / (finished - chosen), 1),
        "memory_mb": {"most": {name: max(most[name], most_after[name]) for name in most}},
        "long_tasks": {"choosing": {**choosing, **trace}, "uploading": uploading, "labelling": _long(page)},
    }


def _scroll(page: Page) -> None:
    for _ in range(40):
        page.mouse.wheel(0, 3000)
        page.wait_for_timeout(30)
    page.keyboard.press("End")


# What people do with a pile that is done.
LOOKS: dict[str, Callable[[Page], object]] = {
    "scroll": _scroll,
    "search": lambda page: page.locator("#search").press_sequentially("label 11", delay=60),
    "clear": lambda page: page.locator("#search").fill(""),
    "by_label": lambda page: page.locator("#arrange").select_option("label"),
    "unsure": lambda page: page.locator("#arrange").select_option("unsure"),
    "one_label": lambda page: page.locator("#labels button").first.click(),
    "open": lambda page: page.locator(".tile button").first.press("Enter"),
}


def _until(page: Page, site: Site, true: str, argument: object = None) -> dict[str, float]:
    """Return once that is true of the page; the most memory that was used meanwhile, in MB."""
    most = {"tab": 0.0, "server": 0.0}
    deadline = time.monotonic() + PATIENCE_S
    while not page.evaluate(true, argument):
        assert time.monotonic() < deadline, page.locator("#work .headline").inner_text()
        most = {"tab": max(most["tab"], _tab_mb()), "server": max(most["server"], _server_mb(site))}
        page.wait_for_timeout(1000)
    return most


def _long(page: Page) -> dict[str, Any]:
    """Return what was long for the page's one thread since this was asked."""
    page.wait_for_timeout(200)  # an observer is told by and by
    took = [duration for _, duration in page.evaluate("window.long.splice(0)")]
    return {
        "longest_ms": round(max(took, default=0)),
        f"over_{LONG_MS}_ms": sum(ms > LONG_MS for ms in took),
        "over_50_ms": len(took),
        "median_ms": round(statistics.median(took)) if took else 0,
    }


def _heap_mb(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return round(metrics["JSHeapUsedSize"] / 1e6, 1)


def _tab_mb() -> float:
    """Return what the largest of the browser's pages has for itself."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "--type=renderer" in process.cmdline():
                found.append(process.memory_full_info().uss)
        except psutil.NoSuchProcess:
            continue
    return round(max(found, default=0) / 1e6)


def _server_mb(site: Site) -> float:
    """Return what the web processes hold."""
    processes = [one for one in psutil.Process(site.process.pid).children(recursive=True)]
    return round(sum(one.memory_info().rss for one in processes) / 1e6)


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one line")
    parser.add_argument("--images", type=int, default=10_000, help="photographs to upload")
    parser.add_argument("--drop", action="store_true", help="drop the folder on the page, instead of by its button")
    given = parser.parse_args()
    os.environ.update(CREDENTIALS)
    figures: dict[str, Any] = {"benchmark": "page", "load_before": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory(prefix="elastiq-page-") as name:
        folder = Path(name)
        cloud = EmbeddedCloud(folder / "cloud")
        cloud.start()
        environment = {**os.environ, **cloud.environment, "ELASTIQ_DATA_DIR": str(folder / "data")}
        provision(Settings.from_environment(environment))
        site = Site(environment, folder / "web.log").start()
        try:
            wait_for_listener(site.config)
            figures |= measure(site, given.images, folder, given.drop)
        finally:
            site.stop()
            cloud.stop()
    figures["load_after"] = round(os.getloadavg()[0], 2)
    print(json.dumps(figures, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
