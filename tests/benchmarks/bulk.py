"""What a batch of what is in S3 already costs, and whether one photograph passes it.

    .venv/bin/python tests/benchmarks/bulk.py [--json] [--part NAME] [--keys N] [--ahead N]

`publish` lists so many keys of a prefix and publishes them, with the web tier's own runner in this process: seconds,
memory, calls and what AWS would charge for them. `pass` has a real web process and a real worker busy with a manifest
that names one photograph so many times, and then uploads one: seconds until its label is in the batch's JSON. On the
embedded cloud.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import structlog
import urllib3

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from app.account.provision import provision  # noqa: E402
from app.aws.bucket import Bucket  # noqa: E402
from app.aws.calls import calls  # noqa: E402
from app.aws.depth import QueueReader  # noqa: E402
from app.batches.record import BatchRecord  # noqa: E402
from app.batches.records import Records  # noqa: E402
from app.domain import CallCounts, new_batch_id  # noqa: E402
from app.local import EmbeddedCloud  # noqa: E402
from app.prices import prices  # noqa: E402
from app.process.clock import SteadyClock  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.sources.progress import Progresses  # noqa: E402
from app.sqs.metrics import metrics  # noqa: E402
from tasks.celery import make_app  # noqa: E402
from tests.support import photographs  # noqa: E402
from tests.support.waiting import wait_for  # noqa: E402
from web.sources.runner import Runner  # noqa: E402
from web.uploads.publish import Publisher  # noqa: E402

PUTTING_THREADS = 16
LONGEST_S = 3600.0


class System:
    """An embedded cloud with buckets and queues, for processes of a benchmark."""

    def __init__(self, cloud: EmbeddedCloud, folder: Path) -> None:
        self.folder = folder
        own = {"ELASTIQ_DATA_DIR": str(folder), "ELASTIQ_PORT": "0", "ELASTIQ_LOG_FORMAT": "json"}
        own |= {"ELASTIQ_IDLE_SECONDS": "0", "ELASTIQ_MODEL_DIR": str(Settings.from_environment(os.environ).models)}
        self.environment = {**os.environ, **cloud.environment, **own, "PYTHONPATH": str(ROOT)}
        os.environ.update(cloud.environment)
        self.config = Settings.from_environment(self.environment)
        provision(self.config)
        self.http = urllib3.PoolManager()

    @contextmanager
    def process(self, tier: str, ready: str) -> Iterator[dict[str, Any]]:
        """Run a tier; yield its log's line that says it is ready."""
        log = self.folder / f"{tier}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", tier], env=self.environment, cwd=ROOT, stdout=out, stderr=out
            )
        try:
            lines = wait_for(lambda: [line for line in log.read_text().splitlines() if f'"{ready}"' in line], 120)
            yield json.loads(lines[0])
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def _cloud(folder: Path) -> Iterator[EmbeddedCloud]:
    cloud = EmbeddedCloud(folder)
    cloud.start()
    try:
        yield cloud
    finally:
        cloud.stop()


def publish(system: System, keys: int) -> dict[str, Any]:
    """Put so many objects under a prefix, and have the runner publish them."""
    bucket, name = Bucket(system.config.aws, system.config.buckets.input), system.config.buckets.input
    with ThreadPoolExecutor(PUTTING_THREADS) as pool:
        for _ in pool.map(lambda n: bucket.put(f"photos/{n:07}.jpg", b"x", "image/jpeg"), range(keys)):
            pass
    batch = new_batch_id(SteadyClock()(), os.urandom(4))
    records = Records(system.config)
    records.make(BatchRecord(batch, priority="bulk", source={"bucket": name, "prefix": "photos/"}))
    celery = make_app(system.config)
    runner = Runner(
        system.config, records, Progresses(system.config), Publisher(celery, bulk=system.config.queue.bulk).publish
    )
    runner.begin(batch)
    memory = _Memory()
    before, sqs, began, cpu = calls.made(), _sqs(), time.monotonic(), time.process_time()
    while not (found := runner.progresses.read(batch)) or not found.listed:
        runner.round()
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    after = calls.made()
    made = CallCounts(after.s3_put - before.s3_put, after.s3_get - before.s3_get, _sqs() - sqs)
    return {
        "keys": found.published,
        "seconds": round(took, 1),
        "keys_per_s": round(found.published / took),
        "core_ms_per_key": round(1000 * cpu / found.published, 2),
        "memory_before_mb": memory.before_mb,
        "memory_most_mb": memory.end(),
        "calls": {"s3_put_or_list": made.s3_put, "s3_get": made.s3_get, "sqs": made.sqs_call},
        "usd": round(prices().of_calls(made), 4),
    }


class _Memory:
    """Looks at this process's resident memory, in megabytes."""

    def __init__(self) -> None:
        self._process, self._stopped = psutil.Process(), threading.Event()
        self.before_mb = self._most = self._now()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self) -> int:
        self._stopped.set()
        self._thread.join()
        return self._most

    def _now(self) -> int:
        return round(self._process.memory_info().rss / 1e6)

    def _look(self) -> None:
        while not self._stopped.wait(0.05):
            self._most = max(self._most, self._now())


def _sqs() -> int:
    made = metrics.snapshot()["api_calls"]
    assert isinstance(made, dict)
    return sum(made.values())


def passes(system: System, ahead: int) -> dict[str, Any]:
    """Have a worker busy with so many, upload one photograph, and look when it has its label."""
    bucket, photograph = Bucket(system.config.aws, system.config.buckets.input), photographs.chelsea()
    bucket.put("cat.png", photograph, "image/png")
    bucket.put("list.jsonl", b'"cat.png"\n' * ahead, "application/jsonl")
    reader = QueueReader(system.config)
    with system.process("web", "web_ready") as ready, system.process("worker", "engine_loaded"):
        url = f"{ready['url']}/api/batches"
        source = {"manifest": f"s3://{bucket.name}/list.jsonl"}
        made = system.http.request("POST", url, json={"source": source}).json()
        wait_for(lambda: system.http.request("GET", f"{url}/{made['id']}").json()["progress"]["listed"], LONGEST_S)
        waiting = reader.depths()[system.config.queue.bulk].total
        took = []
        for _ in range(5):
            began = time.monotonic()
            one = system.http.request("POST", url, fields={"files": ("cat.png", photograph)}).json()
            wait_for(lambda one=one: system.http.request("GET", f"{url}/{one['id']}").json()["counts"]["done"], 300)
            took.append(round(time.monotonic() - began, 2))
        left = reader.depths()[system.config.queue.bulk].total
    return {"ahead": waiting, "left_ahead_after": left, "photograph_s": took}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", choices=("publish", "pass"))
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--ahead", type=int, default=10_000)
    given = parser.parse_args()
    # Lines are made as in a web process, and go nowhere.
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115  for as long as the process
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(nowhere))
    figures: dict[str, Any] = {}
    for name, part, count in (("publish", publish, given.keys), ("pass", passes, given.ahead)):
        if given.part in (None, name):
            with tempfile.TemporaryDirectory() as folder, _cloud(Path(folder) / "cloud") as cloud:
                figures[name] = part(System(cloud, Path(folder)), count)
    print(json.dumps(figures, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
