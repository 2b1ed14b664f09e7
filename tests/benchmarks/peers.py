"""Elastiq's worker beside LitServe and Ray Serve: ``.venv/bin/python tests/benchmarks/peers.py --json``.

The peers serve the same network and photographs, as their guides show it and tuned, each in an environment of its own
in ``.peers`` (12 GB, made at the first run). Elastiq's figures are a whole worker's, with queue and storage; the peers
have neither. CPU time is that of a whole process tree while 32 requests are in hand; the client's is not in it.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).with_suffix("")
ENVIRONMENTS = ROOT / ".peers"
sys.path.insert(0, str(ROOT))

from _photographs import small_jpegs  # noqa: E402

from app.local import EmbeddedCloud  # noqa: E402
from app.local.cloud import CREDENTIALS  # noqa: E402
from app.process import logs  # noqa: E402
from app.settings import settings  # noqa: E402
from tests.support import photographs  # noqa: E402

REQUIREMENTS = {"litserve": ["litserve>=0.2.19"], "ray": ["ray[serve]>=2.60"]}
PEERS = ("litserve_as_served", "litserve_tuned", "ray_as_served", "ray_tuned")
IN_HAND = 32
ROUNDS = 5
PATIENCE_S = 180


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one line")
    parser.add_argument("--images", type=int, default=1000, help="images that each of them classifies")
    given = parser.parse_args()
    logs.configure("auto")
    subprocess.run([sys.executable, "-m", "tasks.engine", "build"], cwd=ROOT, check=True)
    figures: dict[str, Any] = {"benchmark": "peers", "images": given.images, "cores": len(os.sched_getaffinity(0))}
    with tempfile.TemporaryDirectory(prefix="elastiq-peers-") as folder:
        _say("elastiq")
        figures["elastiq"] = elastiq(Path(folder), given.images)
        weights = _weights(Path(folder))
        for name in PEERS:
            _say(name)
            figures[name] = peer(name, weights, given.images)
    for name in PEERS:
        figures[name]["times_elastiq_core_ms"] = round(
            figures[name]["core_ms_per_image"] / figures["elastiq"]["core_ms_per_image"], 1
        )
    print(json.dumps(figures, indent=None if given.json else 2))


def elastiq(folder: Path, images: int) -> dict[str, Any]:
    """A whole worker, with its queue and its buckets: figures like a peer's."""
    from worker import Site, start, whole

    from app.domain import Classification

    os.environ.update(CREDENTIALS)
    cloud = EmbeddedCloud(folder / "cloud")
    cloud.start()
    try:
        site = Site(cloud, folder)
        found = whole(site, images) | start(site, ROUNDS)
        labels = [_label(number) for number in _truth()]
        outcomes = [site.storage.outcome(key) for key in site.keys]
    finally:
        cloud.stop()
    right = [
        isinstance(one, Classification) and one.label == label for one, label in zip(outcomes, labels, strict=True)
    ]
    return {
        "core_ms_per_image": found["core_ms_per_image"],
        "images_per_s": found["images_per_s"],
        "start_to_first_result_s": found["exec_to_first_result_s"]["median"],
        "right_of_20": sum(right),
    }


def peer(name: str, weights: Path, images: int) -> dict[str, Any]:
    """A peer's core-milliseconds per image, images a second, seconds from exec to first answer, and memory.

    Raises:
        SystemExit: it does not answer, or not with a class.
    """
    jpegs = small_jpegs()
    with _served(name, weights) as (process, ask, began):
        first = _first(process, ask, jpegs[0]) - began
        right = sum(ask(jpeg) == truth for jpeg, truth in zip(jpegs, _truth(), strict=True))
        with ThreadPoolExecutor(IN_HAND) as threads:
            list(threads.map(ask, jpegs * 5))
            rounds = [_round(process, threads, ask, jpegs, images // ROUNDS) for _ in range(ROUNDS)]
        resident = sum(one.memory_info().rss for one in _tree(process))
    return {
        "core_ms_per_image": round(statistics.median(cpu for _, cpu in rounds), 2),
        "images_per_s": round(statistics.median(rate for rate, _ in rounds), 1),
        "start_to_first_result_s": round(first, 2),
        "right_of_20": right,
        "processes_resident_mb": round(resident / 1e6),
    }


Ask = Callable[[bytes], int]


@contextmanager
def _served(name: str, weights: Path) -> Iterator[tuple[subprocess.Popen[bytes], Ask, float]]:
    python, port = _environment(name.partition("_")[0]), _free_port()
    variables = {**os.environ, "WEIGHTS": str(weights), "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": ""}
    with tempfile.TemporaryFile("w+b") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            [python, str(HERE / f"{name}.py"), str(port)], env=variables, cwd=HERE, stdout=log, stderr=log
        )
        try:
            yield process, (_json_asker if name.startswith("litserve") else _body_asker)(port), began
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-3000:])
            raise
        finally:
            _end(process)


def _json_asker(port: int) -> Ask:
    def ask(jpeg: bytes) -> int:
        body = json.dumps({"image": base64.b64encode(jpeg).decode()}).encode()
        return _class(port, "/predict", body, "application/json")

    return ask


def _body_asker(port: int) -> Ask:
    return lambda jpeg: _class(port, "/", jpeg, "image/jpeg")


def _class(port: int, path: str, body: bytes, kind: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", path, body, {"Content-Type": kind})
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise OSError(f"{response.status} {content[:200]!r}")
        return int(json.loads(content)["class"])
    finally:
        connection.close()


def _first(process: subprocess.Popen[bytes], ask: Ask, jpeg: bytes) -> float:
    """Return the monotonic time of the first answer."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            ask(jpeg)
            return time.monotonic()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{process.args} does not answer: {error}") from None
            time.sleep(0.02)


def _round(
    process: subprocess.Popen[bytes], threads: ThreadPoolExecutor, ask: Ask, jpegs: list[bytes], images: int
) -> tuple[float, float]:
    """Return images a second, and CPU milliseconds an image."""
    spent, began = _cpu_s(process), time.monotonic()
    list(threads.map(ask, [jpegs[number % len(jpegs)] for number in range(images)]))
    return images / (time.monotonic() - began), 1000 * (_cpu_s(process) - spent) / images


def _tree(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def _cpu_s(process: subprocess.Popen[bytes]) -> float:
    return sum(times.user + times.system for times in (one.cpu_times() for one in _tree(process)))


def _end(process: subprocess.Popen[bytes]) -> None:
    tree = _tree(process) if process.poll() is None else []
    for one in tree:
        one.terminate()
    _, alive = psutil.wait_procs(tree, 10)
    for one in alive:
        one.kill()
    process.wait()


def _environment(peer: str) -> str:
    """Return the Python of a peer's environment, made where it is missing."""
    folder = ENVIRONMENTS / peer
    python, made = folder / "bin" / "python", folder / ".made"
    if not made.exists():
        _say(f"{peer}'s environment, some minutes")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        wanted = ["torch>=2.9", "torchvision", "timm", "pillow", *REQUIREMENTS[peer]]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True, stdout=sys.stderr)
        made.touch()
    return str(python)


def _weights(folder: Path) -> Path:
    import torch

    from tasks.engine.models import define

    file = folder / "weights.pt"
    torch.save(define("efficientnet_lite0", settings()).module.state_dict(), file)
    return file


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _truth() -> list[int]:
    return [int(path.stem.rsplit("_", 1)[1]) for path in photographs.labelled()]


def _label(number: int) -> str:
    from tasks.engine import load

    return load().labels[number]


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr)


if __name__ == "__main__":
    main()
