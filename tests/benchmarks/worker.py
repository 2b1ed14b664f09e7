"""What a whole worker costs: ``.venv/bin/python tests/benchmarks/worker.py --json [--before ROOT]``.

A real worker process, the embedded cloud's queue and buckets, 500 x 375 JPEGs. CPU time is the worker process's own.
It is frozen while its queue is filled, so that only its work is measured. ROOT is another checkout, whose worker is
measured too, in each part before this one's.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from _photographs import large_jpeg, small_jpegs  # noqa: E402
from _roots import roots  # noqa: E402

from app.account.provision import provision  # noqa: E402
from app.aws.depth import QueueReader  # noqa: E402
from app.domain import Classification  # noqa: E402
from app.errors import ConfigurationError  # noqa: E402
from app.local import EmbeddedCloud  # noqa: E402
from app.local.cloud import CREDENTIALS  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.storage import Storage  # noqa: E402
from tasks.celery import CLASSIFY, bulk, make_app  # noqa: E402
from tasks.engine.openvino_runner import OpenVinoRunner  # noqa: E402
from tests.conftest import models  # noqa: E402
from tests.support.delay_proxy import DelayProxy  # noqa: E402

PATIENCE_S = 900
DELAY_S = 0.03
WORKER = [sys.executable, "-m", "app.cli", "worker"]
PROBE = [sys.executable, str(Path(__file__).with_name("_worker_probe.py"))]


class Site:
    """An embedded cloud with photographs in its input bucket, and a queue to ask for them.

    Args:
        cloud: runs.
        folder: what workers write goes there.
        root: the checkout whose workers are measured.
    """

    def __init__(self, cloud: EmbeddedCloud, folder: Path, root: Path = ROOT) -> None:
        self.root = root
        own = {
            **cloud.environment,
            "ELASTIQ_DATA_DIR": str(folder),
            "ELASTIQ_MODEL_DIR": str(models()),
            "ELASTIQ_IDLE_SECONDS": "0",
            "ELASTIQ_POLL_SECONDS": "2",
        }
        self.environment = {**os.environ, **own, "PYTHONPATH": str(root)}
        self.config = Settings.from_environment(self.environment)
        provision(self.config)
        self.storage = Storage(self.config)
        self.keys = []
        for number, jpeg in enumerate(small_jpegs()):
            self.keys.append(f"photographs/{number}.jpg")
            self.storage.put_image(self.keys[-1], jpeg, "image/jpeg")
        self._app = make_app(self.config)
        self._queue = QueueReader(self.config)
        self._worker: subprocess.Popen[bytes] | None = None

    def ask(self, images: int, keys: list[str] | None = None) -> None:
        """Put so many images into the queue."""
        keys = keys or self.keys
        with bulk():
            for number in range(images):
                self._app.send_task(CLASSIFY, (keys[number % len(keys)],), ignore_result=True)

    def wait(self) -> float:
        """Return the monotonic time when nothing was left in the queue.

        Raises:
            SystemExit: something is, after a quarter of an hour, or the worker has ended.
        """
        deadline = time.monotonic() + PATIENCE_S
        while (depth := self._queue.depth()).total:
            if time.monotonic() > deadline:
                raise SystemExit(f"after {PATIENCE_S} s there is still {depth}")
            if self._worker is not None and self._worker.poll() is not None:
                raise SystemExit(
                    f"the worker ended: {(Path(self.config.local.data_dir) / 'worker.log').read_text()[-2000:]}"
                )
            time.sleep(0.02)
        return time.monotonic()

    @contextmanager
    def worker(self, command: list[str] = WORKER, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker that has done its first images; it is stopped in the end."""
        with (Path(self.config.local.data_dir) / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**self.environment, **variables},
                cwd=self.root,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        self._worker = process
        try:
            self.ask(5 * len(self.keys))
            self.wait()
            yield process
        finally:
            self._worker = None
            _stop(process)
            assert process.stdin is not None
            process.stdin.close()

    def work(self, process: subprocess.Popen[bytes], images: int, keys: list[str] | None = None) -> tuple[float, float]:
        """Have a worker do so many images; return the seconds that passed, and those of CPU time."""
        process.send_signal(signal.SIGSTOP)
        self.ask(images, keys)
        spent, began = _cpu_s(process), time.monotonic()
        process.send_signal(signal.SIGCONT)
        seconds = self.wait() - began
        return seconds, _cpu_s(process) - spent


def whole(site: Site, images: int) -> dict[str, Any]:
    """The whole worker's core-milliseconds per image, and how busy it keeps the cores."""
    with site.worker() as process:
        rounds = [site.work(process, images // 4) for _ in range(4)]
    seconds, cpu_s = (sum(one) for one in zip(*rounds, strict=True))
    return {
        "core_ms_per_image": round(1000 * statistics.median(spent for _, spent in rounds) / (images // 4), 2),
        "images_per_s": round(images / seconds, 1),
        "cores_busy_by_the_worker": round(cpu_s / seconds, 2),
    }


def precisions(site: Site, images: int) -> dict[str, Any]:
    """The whole worker in each precision that this processor has; they take turns, as the machine may be busy."""
    rows: dict[str, list[float]] = {}
    for precision in ("fp32", "fp16", "bf16", "int8"):
        with suppress(ConfigurationError):  # This processor lacks it.
            OpenVinoRunner(site.config.models / site.config.engine.model, precision)
            rows[precision] = []
    for _ in range(4):
        for precision, spent in rows.items():
            with site.worker(ELASTIQ_PRECISION=precision) as process:
                spent.append(1000 * site.work(process, images // 4)[1] / (images // 4))
    medians = {precision: round(statistics.median(spent), 2) for precision, spent in rows.items()}
    return {"core_ms_per_image_by_precision": medians}


def breakdown(site: Site, images: int) -> dict[str, Any]:
    """Where that goes, by a probe in the worker, in core-milliseconds per image."""
    folder = Path(site.config.local.data_dir)
    with site.worker(PROBE) as process:
        before = _probe(process, folder / "before.json")
        site.work(process, images)
        after = _probe(process, folder / "after.json")
    parts = {what: 1000 * (spent - before.get(what, 0)) / images for what, spent in after.items()}
    inside = ("s3_get", "decode", "run", "s3_put", "announce", "send")
    parts["celery_in_task_threads"] = parts.pop("task_threads") - sum(parts[what] for what in inside)
    parts["celerys_loop"] -= parts["send_in_the_loop"]
    parts["events"] = parts.get("events", 0) + sum(parts.pop(what) for what in ("announce", "send", "send_in_the_loop"))
    parts.pop("probe")
    total = sum(parts.values())
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    return {
        "breakdown_core_ms": {what: round(spent, 2) for what, spent in ordered},
        "events_share": round(parts["events"] / total, 4),
    }


def start(site: Site, rounds: int) -> dict[str, Any]:
    """Seconds from the worker's exec to its first result in the output bucket, its image waiting in the queue."""
    took = []
    for number in range(rounds):
        key = f"first/{number}.jpg"
        site.storage.put_image(key, small_jpegs()[0], "image/jpeg")
        site.ask(1, [key])
        began = time.monotonic()
        process = subprocess.Popen(
            WORKER, env=site.environment, cwd=site.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not isinstance(site.storage.outcome(key), Classification):
                if time.monotonic() > began + 60:
                    raise SystemExit("the worker had no result after a minute")
                time.sleep(0.01)
            took.append(time.monotonic() - began)
            site.wait()
        finally:
            _stop(process)
    return {"exec_to_first_result_s": {"median": round(statistics.median(took), 2), "best": round(min(took), 2)}}


def memory(site: Site, images: int) -> dict[str, Any]:
    """Resident megabytes (10^6 bytes) of the worker after a tenth of the images, and after all."""
    resident = {}
    with site.worker() as process:
        done = 0
        for goal in (images // 10, images):
            site.work(process, goal - done)
            done = goal
            resident[f"resident_mb_after_{goal}"] = round(psutil.Process(process.pid).memory_info().rss / 1e6)
    return resident


def slow_s3(site: Site, images: int) -> dict[str, Any]:
    """Images per second with 30 ms added to every call to S3, beside those through the same proxy without."""
    rates = {}
    for delay_s in (0.0, DELAY_S):
        with (
            DelayProxy(site.config.aws.endpoint_url, delay_s) as proxy,
            site.worker(AWS_ENDPOINT_URL=proxy.endpoint_url) as process,
        ):
            rates[delay_s] = images / statistics.median(site.work(process, images)[0] for _ in range(3))
    return {
        "images_per_s_through_a_proxy": round(rates[0.0], 1),
        "images_per_s_with_30_ms_added_to_s3": round(rates[DELAY_S], 1),
        "share_of_throughput_kept": round(rates[DELAY_S] / rates[0.0], 3),
    }


def large(site: Site, images: int) -> dict[str, Any]:
    """The same for a photograph of 4000 x 3000."""
    site.storage.put_image("photographs/large.jpg", large_jpeg(), "image/jpeg", replace=True)
    with site.worker() as process:
        _, cpu_s = site.work(process, images, ["photographs/large.jpg"])
    return {"photograph_12mp_core_ms": round(1000 * cpu_s / images, 1)}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a worker as an instance's end does; one that is killed leaves a poll that swallows the next one's message."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cpu_s(process: subprocess.Popen[bytes]) -> float:
    spent = psutil.Process(process.pid).cpu_times()
    return float(spent.user + spent.system)


def _probe(process: subprocess.Popen[bytes], file: Path) -> dict[str, float]:
    assert process.stdin is not None
    process.stdin.write(f"{file}\n".encode())
    process.stdin.flush()
    deadline = time.monotonic() + 30
    while not file.exists():
        if time.monotonic() > deadline:
            raise SystemExit("the worker's probe does not answer")
        time.sleep(0.01)
    found: dict[str, float] = json.loads(file.read_text())
    return found


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one line")
    parser.add_argument("--part", help="measure this part alone")
    parser.add_argument(
        "--images", type=int, default=1000, help="images of a measurement; ten times as many for memory"
    )
    parser.add_argument("--before", type=Path, metavar="ROOT", help="measure this checkout's worker too")
    given = parser.parse_args()
    os.environ.update(CREDENTIALS)
    subprocess.run([sys.executable, "-m", "tasks.engine", "build"], cwd=ROOT, check=True)
    figures: dict[str, Any] = {"benchmark": "worker", "load_before": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory(prefix="elastiq-worker-") as folder:
        cloud = EmbeddedCloud(Path(folder) / "cloud")
        cloud.start()
        try:
            sites = {
                which: Site(cloud, Path(folder), root.resolve()) for which, root in roots(ROOT, given.before).items()
            }
            found: dict[str, dict[str, Any]] = {which: {} for which in sites}
            parts = [
                (start, 5),
                (whole, given.images),
                (precisions, given.images),
                (breakdown, given.images),
                (large, given.images // 10),
                (slow_s3, given.images // 2),
                (memory, 10 * given.images),
            ]
            for part, images in parts:
                if given.part not in (None, part.__name__):
                    continue
                for which, site in sites.items():
                    print(f"{part.__name__} {which} ...", file=sys.stderr)
                    found[which] |= part(site, images)
            figures |= found if given.before else found["now"]
            engine = sites["now"].config.engine
            figures["settings"] = {
                "model": engine.model,
                "engine": engine.kind,
                "precision": engine.precision,
                "concurrency": sites["now"].config.worker.concurrency,
            }
        finally:
            cloud.stop()
    print(json.dumps(figures, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
