"""What a batch of what is in S3 already costs, and whether one photograph passes it.

    .venv/bin/python tests/benchmarks/bulk.py [--json] [--part NAME] [--keys N] [--ahead N]

`publish` lists so many keys of a prefix and publishes them, with the web tier's own runner in this process: seconds,
core-milliseconds a key by part, the most memory, calls and what AWS would charge for them. `pass` has a real web
process list a manifest that names one photograph so many times, and then a real worker busy with them, and uploads
one: seconds until its label is in the batch's JSON. On the embedded cloud.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import structlog
import urllib3

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from _probe import parts, timed  # noqa: E402
from _stocked_cloud import PREFIX  # noqa: E402

from app.account.provision import provision  # noqa: E402
from app.aws.bucket import Bucket  # noqa: E402
from app.aws.calls import calls  # noqa: E402
from app.aws.depth import QueueReader  # noqa: E402
from app.batches.record import BatchRecord  # noqa: E402
from app.batches.records import Records  # noqa: E402
from app.domain import CallCounts, new_batch_id  # noqa: E402
from app.local import EmbeddedCloud  # noqa: E402
from app.local.cloud import CREDENTIALS, free_port  # noqa: E402
from app.prices import prices  # noqa: E402
from app.process.clock import SteadyClock  # noqa: E402
from app.process.healthy import why_not  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.sources.listing import look  # noqa: E402
from app.sources.progress import Progresses  # noqa: E402
from app.sqs.metrics import metrics  # noqa: E402
from tasks.celery import make_app  # noqa: E402
from tests.support import photographs  # noqa: E402
from tests.support.waiting import wait_for  # noqa: E402
from web.sources import runner as sources  # noqa: E402
from web.uploads.publish import Publisher  # noqa: E402

STOCKED = [sys.executable, str(Path(__file__).with_name("_stocked_cloud.py"))]
LONGEST_S = 3600.0


class System:
    """Buckets and queues on an embedded cloud, for processes of a benchmark.

    Args:
        cloud: the variables by which it is reached.
        folder: for the processes' data.
    """

    def __init__(self, cloud: Mapping[str, str], folder: Path) -> None:
        self.folder = folder
        own = {"ELASTIQ_DATA_DIR": str(folder), "ELASTIQ_PORT": "0", "ELASTIQ_LOG_FORMAT": "json"}
        own |= {"ELASTIQ_IDLE_SECONDS": "0", "ELASTIQ_MODEL_DIR": str(Settings.from_environment(os.environ).models)}
        self.environment = {**os.environ, **cloud, **own, "PYTHONPATH": str(ROOT)}
        os.environ.update(cloud)
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
def _cloud(folder: Path) -> Iterator[dict[str, str]]:
    cloud = EmbeddedCloud(folder)
    cloud.start()
    try:
        yield cloud.environment
    finally:
        cloud.stop()


@contextmanager
def _stocked(folder: Path, objects: int) -> Iterator[tuple[dict[str, str], psutil.Process]]:
    """Run a cloud whose input bucket has so many objects; yield how it is reached, and its process."""
    port, bucket = free_port(), Settings.from_environment(os.environ).buckets.input
    process = subprocess.Popen([*STOCKED, str(folder / "cloud"), str(port), bucket, str(objects)])
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: not why_not(f"{url}/_ministack/health"), 300)
        yield {"AWS_ENDPOINT_URL": url, **CREDENTIALS}, psutil.Process(process.pid)
    finally:
        process.kill()  # nobody needs what it would save
        process.wait()


def publish(folder: Path, keys: int) -> dict[str, Any]:
    """Have the runner publish so many objects under a prefix."""
    with _stocked(folder, keys) as (reached, cloud):
        config = System(reached, folder).config
        runner, batch = _runner(config)
        before, sqs, cloud_s = calls.made(), _sqs(), _cpu_s(cloud)
        began, spent, own = time.monotonic(), time.process_time(), time.thread_time()
        while not (found := runner.progresses.read(batch)) or not found.listed:
            runner.round()
        took, spent, own = time.monotonic() - began, time.process_time() - spent, time.thread_time() - own
        cloud_s = _cpu_s(cloud) - cloud_s
    after = calls.made()
    made = CallCounts(after.s3_put - before.s3_put, after.s3_get - before.s3_get, _sqs() - sqs)
    known = parts()
    by_part = {**known, "send": spent - own, "progress": own - sum(known.values())}
    return {
        "keys": found.published,
        "seconds": round(took, 1),
        "keys_per_s": round(found.published / took),
        "core_ms_per_key": round(1000 * spent / found.published, 3),
        "core_ms_per_key_by_part": {name: round(1000 * s / found.published, 3) for name, s in by_part.items()},
        "cloud_core_ms_per_key": round(1000 * cloud_s / found.published, 3),
        "memory_most_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
        "calls": {"s3_put_or_list": made.s3_put, "s3_get": made.s3_get, "sqs": made.sqs_call},
        "usd": round(prices().of_calls(made), 4),
    }


def _runner(config: Settings) -> tuple[sources.Runner, str]:
    """Return a runner whose parts are timed, and the id of a batch that it has begun."""
    sources.look = timed("list", look)  # type: ignore[attr-defined]  # what it imports
    batch, records = new_batch_id(SteadyClock()(), os.urandom(4)), Records(config)
    records.make(BatchRecord(batch, priority="bulk", source={"bucket": config.buckets.input, "prefix": PREFIX}))
    publisher = Publisher(make_app(config), bulk=config.queue.bulk)
    make_messages = timed("make_messages", publisher.publish)
    runner = sources.Runner(config, records, Progresses(config), make_messages, outstanding=lambda: 1)
    runner.begin(batch)
    return runner, batch


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _sqs() -> int:
    made = metrics.snapshot()["api_calls"]
    assert isinstance(made, dict)
    return sum(made.values())


def passes(folder: Path, ahead: int) -> dict[str, Any]:
    """Have a worker busy with so many, upload one photograph, and look when it has its label."""
    with _cloud(folder / "cloud") as reached:
        return _passed(System(reached, folder), ahead)


def _passed(system: System, ahead: int) -> dict[str, Any]:
    bucket, photograph = Bucket(system.config.aws, system.config.buckets.input), photographs.chelsea()
    bucket.put("cat.png", photograph, "image/png")
    bucket.put("list.jsonl", b'"cat.png"\n' * ahead, "application/jsonl")
    reader = QueueReader(system.config)
    with system.process("web", "web_ready") as ready:
        url = f"{ready['url']}/api/batches"
        source = {"manifest": f"s3://{bucket.name}/list.jsonl"}
        made = system.http.request("POST", url, json={"source": source}).json()
        wait_for(lambda: system.http.request("GET", f"{url}/{made['id']}").json()["progress"]["listed"], LONGEST_S)
        with system.process("worker", "engine_loaded"):
            waiting = reader.depths()[system.config.queue.bulk].total
            took = [_photograph(system, url, photograph) for _ in range(5)]
            left = reader.depths()[system.config.queue.bulk].total
    return {"ahead": waiting, "left_ahead_after": left, "photograph_s": took}


def _photograph(system: System, url: str, content: bytes) -> float:
    """Upload one; return the seconds until it has its label."""
    began = time.monotonic()
    id = system.http.request("POST", url, fields={"files": ("cat.png", content)}).json()["id"]

    def labelled() -> bool:
        return bool(system.http.request("GET", f"{url}/{id}").json()["counts"]["done"])

    wait_for(labelled, 300)
    return round(time.monotonic() - began, 2)


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
    figures: dict[str, Any] = {"benchmark": "bulk", "load_before": round(os.getloadavg()[0], 2)}
    for name, part, count in (("publish", publish, given.keys), ("pass", passes, given.ahead)):
        if given.part in (None, name):
            with tempfile.TemporaryDirectory(prefix="elastiq-bulk-") as folder:
                figures[name] = part(Path(folder), count)
    figures["load_after"] = round(os.getloadavg()[0], 2)
    print(json.dumps(figures, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
