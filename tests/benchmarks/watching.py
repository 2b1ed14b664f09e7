"""What it costs to watch a system, busy and idle: ``.venv/bin/python tests/benchmarks/watching.py --json``.

Real processes of every tier and the embedded cloud. Calls are counted on the cloud's side, by a proxy before it, and in
the idle system also by the processes themselves, as they are billed. The autoscaler only watches; one worker is started
by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from worker import WORKER, Site  # noqa: E402

from app.announcements import ImageClassified  # noqa: E402
from app.domain import Classification, Life, Prediction, new_batch_id  # noqa: E402
from app.local import EmbeddedCloud  # noqa: E402
from app.local.cloud import CREDENTIALS, free_port  # noqa: E402
from app.prices import MONTH_H, prices  # noqa: E402
from app.sqs.sweep import ListenerSweep  # noqa: E402
from tasks.celery import make_app  # noqa: E402
from tests.support.fleet import listeners, wait_for_listener  # noqa: E402
from tests.support.recording_proxy import RecordingProxy  # noqa: E402
from tests.support.waiting import wait_for  # noqa: E402

# As long as they are unless told; the benchmark of workers has shorter ones.
POLLS = {"ELASTIQ_POLL_SECONDS": "20"}
# As on EC2, where each call costs: the autoscaler's lease is renewed more rarely while nothing comes.
BILLED = {"ELASTIQ_LAUNCH_TEMPLATE": "lt-0123456789abcdef0"}
UNWATCHED = [sys.executable, str(Path(__file__).with_name("_unwatched_worker.py"))]
LISTENER = "import sys, signal; from app.listener import EventListener; from app.settings import settings; \
from tasks.celery import make_app; EventListener(make_app(settings()), lambda said: None).start(); signal.pause()"
KILLED = 20
EVENTS = (10_000, 50_000, 100_000, 200_000)
AT_ONCE = 500
# The proxy's names of what AWS bills as a publish, and what S3 bills as a put.
WORK = {"ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}
PUBLISHES, PUTS = {"Publish", "PublishBatch"}, {"PutObject", "ListObjectsV2"}


@contextmanager
def tiers(site: Site, *commands: str, endpoint_url: str = "", **variables: str) -> Iterator[dict[str, str]]:
    """Run tiers, ready; yield the address of each one's metrics."""
    processes, ports = [], {command: str(free_port()) for command in commands}
    own = {"ELASTIQ_WATCH_ONLY": "1", "ELASTIQ_LOG_FORMAT": "json", **POLLS, **variables}
    if endpoint_url:
        own["AWS_ENDPOINT_URL"] = endpoint_url
    for command, port in ports.items():
        with (Path(site.config.local.data_dir) / f"{command}.log").open("ab") as log:
            environment = {**site.environment, **own, "ELASTIQ_PORT": port, "ELASTIQ_METRICS_PORT": port}
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "app.cli", command], env=environment, cwd=ROOT, stdout=log, stderr=log
                )
            )
    try:
        urls = {command: f"http://127.0.0.1:{port}/metrics" for command, port in ports.items()}
        wait_for(lambda: all(map(answers, urls.values())))
        wait_for(lambda: len(listeners(site.config)) >= len(commands))
        yield urls
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)


def answers(url: str) -> str:
    """Return what an address answers; nothing while it does not."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def cpu(site: Site, images: int) -> dict[str, Any]:
    """A worker's core-ms an image with events and without, in turns, as the machine may be busy."""
    spent: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(4):
        for which, command in (("with", WORKER), ("without", UNWATCHED)):
            with site.worker(command) as process:
                spent[which] += [1000 * site.work(process, images)[1] / images for _ in range(2)]
    core_ms = {which: statistics.median(found) for which, found in spent.items()}
    more = core_ms["with"] - core_ms["without"]
    return {
        "core_ms_per_image_with_events": round(core_ms["with"], 2),
        "core_ms_per_image_without": round(core_ms["without"], 2),
        "events_core_ms_per_image": round(more, 2),
        "events_share": round(more / core_ms["with"], 4),
    }


def busy(site: Site, images: int) -> dict[str, Any]:
    """Calls to SNS and SQS an image that watching causes while a worker is busy, with web and autoscaler listening."""
    with (
        RecordingProxy(site.environment["AWS_ENDPOINT_URL"]) as proxy,
        tiers(site, "web", "autoscaler", endpoint_url=proxy.endpoint_url),
        site.worker(AWS_ENDPOINT_URL=proxy.endpoint_url, **POLLS) as process,
    ):
        time.sleep(5)
        lines, begun = Path(site.config.local.data_dir) / "worker.log", len(proxy.log)
        logged = lines.stat().st_size
        seconds, _ = site.work(process, images)
        log, logged = proxy.log[begun:], lines.stat().st_size - logged
    prefix = site.config.queue.listener_prefix
    heard = Counter(call.action for call in log if call.resource.startswith(prefix))
    published = sum(call.action in PUBLISHES for call in log)
    return {
        "images": images,
        "images_per_s": round(images / seconds, 1),
        "publishes_per_image": round(published / images, 4),
        "calls_to_hear_per_image": {action: round(number / images, 4) for action, number in sorted(heard.items())},
        "calls_to_work_per_image": round(
            sum(
                call.resource in (site.config.queue.name, site.config.queue.bulk) and call.action in WORK
                for call in log
            )
            / images,
            4,
        ),
        "log_bytes_of_the_worker_per_image": round(logged / images),
        "watching_calls_per_s": round((published + heard.total()) / seconds, 2),
        "watching_calls_per_image": round((published + heard.total()) / images, 4),
    }


def idle(site: Site, seconds: float) -> dict[str, Any]:
    """Calls an hour of web and autoscaler with nothing to do, as the cloud sees them and as they are billed."""
    with (
        RecordingProxy(site.environment["AWS_ENDPOINT_URL"]) as proxy,
        tiers(site, "web", "autoscaler", endpoint_url=proxy.endpoint_url, **BILLED) as urls,
    ):
        time.sleep(30)  # what is done once
        seen, told, began = Counter(proxy.calls), _billed(urls["web"]), time.monotonic()
        time.sleep(seconds)
        seen, told = Counter(proxy.calls) - seen, _billed(urls["web"]) - told
        hours = (time.monotonic() - began) / 3600
    kinds: Counter[str] = Counter()
    for action, number in seen.items():
        kinds[_kind(action)] += number
    hourly = {kind: round(number / hours) for kind, number in sorted(kinds.items())}
    dollars = sum(prices().rates[kind] * number for kind, number in hourly.items()) * MONTH_H
    return {
        "calls_per_hour_seen_by_the_cloud": hourly,
        "calls_per_hour_as_billed": {kind: round(number / hours) for kind, number in sorted(told.items())},
        "by_action_per_hour": {action: round(number / hours) for action, number in seen.most_common()},
        "dollars_per_month": round(dollars, 2),
    }


def _billed(url: str) -> Counter[str]:
    found = re.findall(r'^elastiq_billed_calls_total\{kind="(\w+)"\} (\S+)', answers(url), re.MULTILINE)
    return Counter({kind: int(float(number)) for kind, number in found})


def _kind(action: str) -> str:
    if action in PUBLISHES:
        return "sns_publish"
    if action.endswith(("Object", "ObjectsV2")):
        return "s3_put" if action in PUTS else "s3_get"
    return "sqs_call"


def killed(site: Site) -> dict[str, Any]:
    """Queues that are left of listeners which were killed, before and after the sweep of an autoscaler."""
    environment = site.environment
    processes = [subprocess.Popen([sys.executable, "-c", LISTENER], env=environment, cwd=ROOT) for _ in range(KILLED)]
    wait_for(lambda: len(listeners(site.config)) == KILLED, 120)
    for process in processes:
        process.kill()
        process.wait()
    left = len(listeners(site.config))
    sweep = ListenerSweep(site.config.queue.listener_prefix)
    with make_app(site.config).connection() as connection:
        swept = connection.transport.gateway.sweep(sweep)
    return {"killed": KILLED, "left": left, "swept": len(swept), "left_after_the_sweep": len(listeners(site.config))}


def memory(site: Site) -> dict[str, Any]:
    """A web process's memory after so many events, each of another image, through the topic as a worker sends them."""
    with tiers(site, "web"):
        wait_for_listener(site.config)
        (web,) = [p for p in psutil.process_iter(["environ", "cmdline"]) if _is_web(p, site)]
        told = {"0": _megabytes(web)}
        app = make_app(site.config)
        with app.connection() as connection, app.events.Dispatcher(connection, hostname="w@bench") as dispatcher:
            fanout = connection.transport.gateway.fanout
            for number in range(EVENTS[-1] // AT_ONCE):
                _say(dispatcher, number)
                assert fanout.flush(60)
                if (sent := (number + 1) * AT_ONCE) in EVENTS:
                    url = listeners(site.config)[0]
                    wait_for(lambda url=url: not _waits(site, url))
                    time.sleep(3)
                    told[f"{sent}"] = _megabytes(web)
    return {"megabytes_after_events": told}


def _say(dispatcher: Any, number: int) -> None:
    """Announce images of a batch: each is received, started, done and classified, four events."""
    batch, now = new_batch_id(_now(), number.to_bytes(4, "big")), time.time()
    life = Life("worker-1", "tasks.classify", 1, now, now - 2, now - 1, now - 0.5, now - 0.4, now - 0.1)
    top5 = [Prediction(label, 0.2) for label in ("tabby", "tiger cat", "lynx", "Egyptian cat", "plastic bag")]
    for image in range(AT_ONCE // 4):
        uuid = f"{number:08x}-0000-4000-8000-{image:012x}"
        dispatcher.send("task-received", uuid=uuid, name="tasks.classify", args="('x',)", kwargs="{}", retries=0)
        dispatcher.send("task-started", uuid=uuid)
        said = ImageClassified(Classification.of(f"{batch}/{image}.jpg", top5, "bench"), life)
        dispatcher.send(said.TYPE, **said.to_event())
        dispatcher.send("task-succeeded", uuid=uuid, result="{}", runtime=0.1)


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _waits(site: Site, url: str) -> int:
    from app import aws

    sqs = aws.client("sqs", site.config.aws)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))


def _is_web(process: psutil.Process, site: Site) -> bool:
    """Return whether it is the process that serves: gunicorn's worker, a child of the one that was started."""
    environ, command = process.info["environ"] or {}, process.info["cmdline"] or []
    mine = environ.get("ELASTIQ_DATA_DIR") == site.config.local.data_dir and command[-1:] == ["web"]
    return mine and not process.children()


def _megabytes(process: psutil.Process) -> float:
    return float(round(process.memory_info().rss / 1e6, 1))


def main() -> None:
    parts: dict[str, Callable[[Site, argparse.Namespace], dict[str, Any]]] = {
        "cpu": lambda site, given: cpu(site, given.images),
        "busy": lambda site, given: busy(site, 4 * given.images),
        "idle": lambda site, given: idle(site, given.seconds),
        "killed": lambda site, given: killed(site),
        "memory": lambda site, given: memory(site),
    }
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=180, help="that an idle system is watched for")
    parser.add_argument("--part", choices=sorted(parts), help="only this")
    given = parser.parse_args()
    os.environ.update(CREDENTIALS)
    found: dict[str, Any] = {}
    for name, part in parts.items():
        if given.part in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                cloud = EmbeddedCloud(Path(folder) / "cloud")
                cloud.start()
                try:
                    found[name] = part(Site(cloud, Path(folder)), given)
                finally:
                    cloud.stop()
    if given.json:
        print(json.dumps(found))
    else:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
