"""What a web process costs: uploads of one image and of many, and open event streams.

    .venv/bin/python tests/benchmarks/web.py [--json] [--part NAME] [--images N] [--streams N] [ROOT]

ROOT is the checkout to measure, this one unless told. A real web process, the embedded cloud's queue and buckets,
500 x 375 JPEGs; no worker. CPU time is that of the web process and its children; the clients are in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import urllib3

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from _photographs import small_jpegs  # noqa: E402

from app.account.provision import provision  # noqa: E402
from app.announcements import ImageClassified  # noqa: E402
from app.domain import Classification, Prediction  # noqa: E402
from app.local import EmbeddedCloud  # noqa: E402
from app.local.cloud import CREDENTIALS  # noqa: E402
from app.settings import Settings  # noqa: E402
from tests.support import crowd  # noqa: E402
from tests.support.fleet import announcer, wait_for_listener  # noqa: E402
from tests.support.waiting import wait_for  # noqa: E402

WEB = [sys.executable, "-m", "app.cli", "web"]
PROBE = [sys.executable, str(Path(__file__).with_name("_web_probe.py"))]
AT_ONCE = 64
ROUNDS = 5
IDLE_S = 10
# What is timed within a request's thread, or a storing one.
INSIDE = ("read_and_parse", "check", "s3_put", "publish", "flask", "requests")


class Site:
    """An embedded cloud, and web processes on it.

    Args:
        root: the checkout that they are of.
    """

    def __init__(self, cloud: EmbeddedCloud, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root
        own = {"ELASTIQ_DATA_DIR": str(folder), "ELASTIQ_PORT": "0", "ELASTIQ_LOG_FORMAT": "json"}
        self.environment = {**os.environ, **cloud.environment, **own, "PYTHONPATH": str(root)}
        self.config = Settings.from_environment(self.environment)
        provision(self.config)
        self.url = ""

    @contextmanager
    def web(self, command: list[str] = WEB) -> Iterator[psutil.Process]:
        """Run a web process that has had its first requests; it is stopped in the end."""
        log = self.folder / "web.log"
        with log.open("wb") as out:
            self.process = process = subprocess.Popen(
                command, env=self.environment, cwd=self.root, stdin=subprocess.PIPE, stdout=out, stderr=out
            )
        try:
            ready = wait_for(lambda: [line for line in log.read_text().splitlines() if '"web_ready"' in line], 60)
            self.url = json.loads(ready[0])["url"]
            self.upload(one_each(AT_ONCE))
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)
            assert process.stdin is not None
            process.stdin.close()

    def upload(self, requests: list[bytes], *, keep: bool = True) -> list[float]:
        """Upload, `AT_ONCE` at once; return the seconds that each took."""
        done = asyncio.run(crowd.answers(self.url, requests, AT_ONCE, keep=keep))
        assert {status for status, _ in done} == {201}, {status for status, _ in done}
        return [seconds for _, seconds in done]


def one_each(number: int, *, close: bool = False) -> list[bytes]:
    """Return so many uploads of one image."""
    jpegs = small_jpegs()
    bodies = [crowd.form([(f"{at}.jpg", jpeg)]) for at, jpeg in enumerate(jpegs)]
    return [crowd.request("POST", "/api/batches", bodies[at % len(bodies)], close=close) for at in range(number)]


def all_in_one(number: int) -> bytes:
    """Return one upload of so many images."""
    jpegs = small_jpegs()
    files = [(f"{at}.jpg", jpegs[at % len(jpegs)]) for at in range(number)]
    return crowd.request("POST", "/api/batches", crowd.form(files))


def one(site: Site, images: int, streams: int) -> dict[str, Any]:
    """One image a request, 64 at once: core-milliseconds a request, on kept connections and on one for each."""
    found: dict[str, Any] = {}
    with site.web() as process:
        for kept in (True, False):
            spent, took = _rounds(process, images, lambda kept=kept: site.upload(_share(images, kept), keep=kept))
            name = "kept_connections" if kept else "a_connection_each"
            found[name] = {"core_ms_per_request": spent, "p50_ms": round(1000 * statistics.median(took), 1)}
    return {"one_image_a_request": found}


def many(site: Site, images: int, streams: int) -> dict[str, Any]:
    """All images in one request: core-milliseconds an image."""
    upload = all_in_one(images)
    with site.web() as process:
        spent, took = _rounds(process, images * ROUNDS, lambda: site.upload([upload]))
    return {"all_in_one_request": {"core_ms_per_image": spent, "seconds": round(statistics.median(took), 2)}}


def breakdown(site: Site, images: int, streams: int) -> dict[str, Any]:
    """Where that goes, by a probe in the process, in core-milliseconds."""
    uploads = {"one_image_a_request": one_each(images), "all_in_one_request": [all_in_one(images)]}
    found = {}
    for name, requests in uploads.items():
        with site.web(PROBE):
            before = _probe(site, "before")
            site.upload(requests)
            after = _probe(site, "after")
        parts = {what: 1000 * (spent - before.get(what, 0)) / images for what, spent in after.items()}
        found[name] = {what: round(spent, 2) for what, spent in _apart(parts).items()}
    return {"breakdown_core_ms": found}


def streams(site: Site, images: int, streams: int) -> dict[str, Any]:
    """Open event streams of one batch: how many, memory for each, and how soon a label is on all of them."""
    crowd.raise_descriptors()
    with site.web() as process:
        wait_for_listener(site.config)
        return {"event_streams": asyncio.run(_streams(site, process, streams))}


async def _streams(site: Site, process: psutil.Process, number: int) -> dict[str, Any]:
    path, keys = await asyncio.to_thread(_batch, site, ROUNDS + 1)
    warm = await _opened(site, path, 10)
    memory, spent = _resident(process), _cpu_s(process)
    opened = await _opened(site, path, number)
    memory, opening = _resident(process) - memory, _cpu_s(process) - spent
    spent = _cpu_s(process)
    await asyncio.sleep(IDLE_S)
    idle = (_cpu_s(process) - spent) / IDLE_S
    # The last image stays without a label: the streams go on.
    late, spent = await _told(site, process, opened, keys[:-1])
    for follower in [*warm, *opened]:
        follower.close()
    return {
        "asked_for": number,
        "open": len(opened),
        "memory_kb_each": round(memory / 1000 / len(opened), 1),
        "opening_core_ms_each": round(1000 * opening / len(opened), 2),
        "idle_core_ms_per_second": round(1000 * idle, 1),
        "core_ms_per_label": round(1000 * spent),
        "label_to_all_s": {"p50": round(statistics.median(late), 3), "p99": round(_p99(late), 3)},
    }


async def _opened(site: Site, path: str, number: int) -> list[crowd.Follower]:
    """Open so many streams; return those that were not refused, when each has been told all that there is."""
    opened = [one for one in await crowd.follow(site.url, path, number) if not one.refused]
    await asyncio.gather(*(one.until(b"event: current") for one in opened))
    return opened


async def _told(
    site: Site, process: psutil.Process, followers: list[crowd.Follower], keys: list[str]
) -> tuple[list[float], float]:
    """Announce a label for each of ``keys``; return how late each follower had each, and the CPU seconds a label."""
    late, spent = [], []
    with announcer(site.config) as announcer_:
        for key in keys:
            said = ImageClassified(Classification.of(key, [Prediction("tabby", 0.75)], "none"))
            mark = b'event: image-classified\ndata: {"key": "%s"' % key.encode()
            waits = [asyncio.create_task(one.until(mark)) for one in followers]
            await asyncio.sleep(1)
            began, before = time.monotonic(), _cpu_s(process)
            await asyncio.to_thread(announcer_.say, said, "worker@benchmark")
            late += [at - began for at in await asyncio.gather(*waits)]
            spent.append(_cpu_s(process) - before)
    return late, statistics.median(spent)


def _batch(site: Site, images: int) -> tuple[str, list[str]]:
    """Return the path of a batch's events, and the keys of its images."""
    jpeg = small_jpegs()[0]
    fields = [("files", (f"{at}.jpg", jpeg + bytes([at]))) for at in range(images)]
    made = urllib3.request("POST", f"{site.url}/api/batches", fields=fields).json()
    return f"/api/batches/{made['id']}/events", [image["key"] for image in made["images"]]


def _share(images: int, kept: bool) -> list[bytes]:
    return one_each(images // ROUNDS, close=not kept)


def _rounds(process: psutil.Process, images: int, act: Callable[[], list[float]]) -> tuple[float, list[float]]:
    """Return the median of the core-milliseconds an image, and the seconds that each request took."""
    spent, took = [], []
    for _ in range(ROUNDS):
        before = _cpu_s(process)
        took += act()
        spent.append(1000 * (_cpu_s(process) - before) / (images / ROUNDS))
    return round(statistics.median(spent), 2), took


def _apart(parts: dict[str, float]) -> dict[str, float]:
    """Return parts that add up: what one has within it is taken off it; the largest first."""
    inside = {part: parts.pop(part, 0.0) for part in INSIDE}
    threads = parts.pop("request_threads", 0.0)
    stored = parts.pop("store_threads", 0.0)
    parts.pop("probe", None)
    parts["check"], parts["publish"] = inside["check"], inside["publish"]
    parts["read_and_parse"] = inside["read_and_parse"]
    parts["s3_put"] = inside["s3_put"] + parts.pop("s3_obstores_threads", 0.0)
    parts["flask_and_routes"] = inside["flask"] - inside["read_and_parse"] - inside["publish"]
    parts["rest_of_storing"] = stored - inside["check"] - inside["s3_put"]
    parts["heads_and_answers"] = inside["requests"] - inside["flask"]
    parts["thread_pool"] = threads - inside["requests"]
    return dict(sorted(parts.items(), key=lambda part: -part[1]))


def _probe(site: Site, name: str) -> dict[str, float]:
    file = site.folder / f"{name}.json"
    file.unlink(missing_ok=True)
    assert site.process.stdin is not None
    site.process.stdin.write(f"{file}\n".encode())
    site.process.stdin.flush()
    wait_for(file.exists, 30)
    found: dict[str, float] = json.loads(file.read_text())
    return found


def _resident(process: psutil.Process) -> int:
    return sum(one.memory_info().rss for one in process.children(recursive=True))


def _cpu_s(process: psutil.Process) -> float:
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return float(sum(one.user + one.system for one in times))


def _p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * len(values))]


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one line")
    parser.add_argument("--part", help="measure this part alone")
    parser.add_argument("--images", type=int, default=1000, help="images of a measurement")
    parser.add_argument("--streams", type=int, default=5000, help="event streams to open")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT)
    given = parser.parse_args()
    os.environ.update(CREDENTIALS)
    figures: dict[str, Any] = {"benchmark": "web", "load_before": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory(prefix="elastiq-web-") as folder:
        cloud = EmbeddedCloud(Path(folder) / "cloud")
        cloud.start()
        try:
            site = Site(cloud, Path(folder), given.root.resolve())
            for part in (one, many, breakdown, streams):
                if given.part in (None, part.__name__):
                    print(f"{part.__name__} ...", file=sys.stderr)
                    figures |= part(site, given.images, given.streams)
        finally:
            cloud.stop()
    print(json.dumps(figures, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
