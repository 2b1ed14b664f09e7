"""What 10,000 photographs cost on the page: from a chosen folder to the last label, in a real chromium.

    .venv/bin/python tests/benchmarks/page.py [--json] [--images N]

Files of 320 x 240 in folders, a real upload to a real web process, the embedded cloud's queue and buckets. Labels come
from a thread that reads the queue, stores results and announces them, as workers do: the page is measured, and no
model. All of it shares this machine.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from app import aws  # noqa: E402
from app.account.provision import provision  # noqa: E402
from app.announcements import ImageClassified  # noqa: E402
from app.domain import Classification, Prediction  # noqa: E402
from app.local import EmbeddedCloud  # noqa: E402
from app.local.cloud import CREDENTIALS  # noqa: E402
from app.settings import Settings  # noqa: E402
from tests.e2e.conftest import ARGUMENTS, chromium  # noqa: E402
from tests.support import photographs  # noqa: E402
from tests.support.fleet import Announcer, announcer, wait_for_listener  # noqa: E402
from tests.support.web import Site  # noqa: E402

FOLDERS = 20
PATIENCE_S = 1800
LONG_MS = 200
LABELS = [f"label {n}" for n in range(200)]
WATCH = """
window.long = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) window.long.push([startTime, duration]);
}).observe({ type: "longtask", buffered: true });
"""
FINISHED = "(n) => document.title === 'Elastiq' && document.querySelector('#tally').textContent === n"


class Labeller:
    """Gives each image that is queued a label, and announces it."""

    def __init__(self, site: Site) -> None:
        self._site, self._stop = site, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._sqs = aws.client("sqs", site.config.aws)
        names = (site.config.queue.name, site.config.queue.bulk)
        self._urls = [self._sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in names]

    def __enter__(self) -> Labeller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with announcer(self._site.config) as say:
            while not self._stop.is_set():
                if not sum(self._work_on(url, say) for url in self._urls):
                    self._stop.wait(0.2)

    def _work_on(self, url: str, say: Announcer) -> int:
        """Label what is received at once; return how many that was."""
        found = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        messages = found.get("Messages", [])
        for message in messages:
            self._label(_key(message["Body"]), say)
        if messages:
            done = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=url, Entries=done)
        return len(messages)

    def _label(self, key: str, say: Announcer) -> None:
        at = hash(key) % len(LABELS)
        label, score = LABELS[at * at // len(LABELS)], 0.2 + (hash(key) % 797) / 1000
        others = [Prediction(LABELS[n], (1 - score) / 4) for n in range(4)]
        outcome = Classification.of(key, [Prediction(label, score), *others], "none")
        self._site.storage.save(outcome)
        with suppress(AssertionError):  # an event that is late costs the page a look into the buckets
            say.say(ImageClassified(outcome), "worker@benchmark")


def _key(body: str) -> str:
    """Return the key of a message of the task queue."""
    envelope = json.loads(base64.b64decode(body)) if not body.startswith("{") else json.loads(body)
    arguments = json.loads(base64.b64decode(envelope["body"]))
    return str(arguments[0][0])


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


def measure(site: Site, images: int, folder: Path) -> dict[str, Any]:
    """Upload them all by the page, look at them, and return the figures."""
    size = _write(folder / "photographs", images)
    with sync_playwright() as playwright, Labeller(site):
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(WATCH)
        page.goto(site.url)
        before = {"tab": _tab_mb(), "server": _server_mb(site)}
        began = time.monotonic()
        page.set_input_files("#folder", folder / "photographs")
        chosen = time.monotonic()
        peak = _until_done(page, site, images)
        seconds = time.monotonic() - began
        figures = {
            "images": images,
            "mb": round(size / 1e6),
            "seconds": round(seconds, 1),
            "seconds_to_choose": round(chosen - began, 1),
            "images_per_s": round(images / seconds, 1),
            "memory_mb": {"before": before, "most": peak, "in_the_end": {"tab": _tab_mb(), "server": _server_mb(site)}},
            "script_heap_mb": _heap_mb(page),
            "tiles_in_the_page": page.locator(".tile").count(),
            "upload_and_labels": _long(page),
        }
        for name, act in LOOKS.items():
            _forget(page)
            act(page)
            page.wait_for_timeout(1500)
            figures[name] = _long(page)
        address = page.url
        _forget(page)
        page.goto(address)
        page.wait_for_function(FINISHED, arg=f"{images:,}", timeout=1000 * PATIENCE_S)
        figures["reload"] = _long(page)
        browser.close()
    return figures


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


def _until_done(page: Page, site: Site, images: int) -> dict[str, float]:
    """Return once every image has its label; the most memory that was used meanwhile, in MB."""
    peak = {"tab": 0.0, "server": 0.0}
    deadline = time.monotonic() + PATIENCE_S
    while not page.evaluate(FINISHED, f"{images:,}"):
        assert time.monotonic() < deadline, page.locator("#work .headline").inner_text()
        peak = {"tab": max(peak["tab"], _tab_mb()), "server": max(peak["server"], _server_mb(site))}
        page.wait_for_timeout(1000)
    return peak


def _long(page: Page) -> dict[str, Any]:
    """Return what was long for the page's one thread."""
    took = [duration for _, duration in page.evaluate("window.long")]
    return {
        "longest_ms": round(max(took, default=0)),
        f"over_{LONG_MS}_ms": sum(ms > LONG_MS for ms in took),
        "over_50_ms": len(took),
        "median_ms": round(statistics.median(took)) if took else 0,
    }


def _forget(page: Page) -> None:
    page.evaluate("window.long.length = 0")


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
            figures |= measure(site, given.images, folder)
        finally:
            site.stop()
            cloud.stop()
    figures["load_after"] = round(os.getloadavg()[0], 2)
    print(json.dumps(figures, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
