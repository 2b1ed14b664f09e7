"""What a person waits for, on one machine: one image to its label, from cold and warm.

    .venv/bin/python tests/benchmarks/latency.py [--json] [--rounds N] [--part NAME] [--before ROOT] [ROOT]

ROOT is the checkout to measure, this one unless told; that of ``--before`` is measured too, in each part before the
other. The clients are this one's. Warm images come after pauses of a
third of a second on average, and back to back. Stages are told by the workers' events and by logs, all by one clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
from _photographs import small_jpegs
from _roots import roots
from _whole import HERE, Whole, python, whole

from app.announcements import ImageClassified

# Idle workers leave as soon as they may, or never.
COLD = {"ELASTIQ_IDLE_SECONDS": "1", "ELASTIQ_MAX_INSTANCES": "1"}
WARM = {"ELASTIQ_IDLE_SECONDS": "0", "ELASTIQ_MAX_INSTANCES": "1"}
# A system is at rest when its last worker has been gone for so many seconds, and none of it works: what is to be the
# next worker is ready then. An image that comes sooner waits for that.
GONE_S, BUSY_CORES = 3.0, 0.2
CLIENT = Path(__file__).with_name("_latency_client.py")


def main() -> None:
    """Measure, and print JSON."""
    load = round(os.getloadavg()[0], 2)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one line")
    parser.add_argument("--rounds", type=int, default=25, help="images of each warm figure; a tenth of it from cold")
    parser.add_argument("--part", choices=[*PARTS], help="measure this part alone")
    parser.add_argument("--before", type=Path, metavar="ROOT", help="measure this checkout too")
    parser.add_argument("root", nargs="?", type=Path, default=HERE)
    given = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    for name, part in PARTS.items():
        if given.part not in (None, name):
            continue
        for which, root in roots(given.root, given.before).items():
            print(f"{name} {which} ...", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="elastiq-latency-") as folder:
                found.setdefault(which, {}).update(part(root, Path(folder) / "data", given.rounds))
    figures: dict[str, Any] = {"benchmark": "latency", "load_before": load}
    figures |= found if given.before else found["now"]
    print(json.dumps(figures, indent=None if given.json else 2))


def from_cold(root: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """A tenth of so many images, each when no worker runs."""
    with whole(root, folder, **COLD) as system:
        return {"cold": cold(system, max(1, rounds // 10))}


def from_warm(root: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """So many images in each way to ask, and half of them for their stages."""
    with whole(root, folder, **WARM) as system:
        post(system)
        return warm(system, rounds) | {"post_stages_ms": stages(system, rounds // 2)}


PARTS: dict[str, Callable[[Path, Path, int], dict[str, Any]]] = {"cold": from_cold, "warm": from_warm}


def cold(system: Whole, rounds: int) -> dict[str, Any]:
    """Seconds from a request to its label where no worker runs, and what they were spent in."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        system.wait_for(lambda: not system.workers())
        time.sleep(GONE_S)
        system.wait_for(lambda: _cores_busy(system) < BUSY_CORES)
        began = time.time()
        post(system)
        ended = time.time()
        launched = system.logged("autoscaler", "scaled_out")[-1]
        instance = launched["launched"][0]
        stages = {
            "launch": launched["at"] - began,
            "exec_to_engine": system.logged(instance, "engine_loaded")[0]["at"] - launched["at"],
            "engine_to_receive": _received(system, instance) - system.logged(instance, "engine_loaded")[0]["at"],
            "receive_to_label": ended - _received(system, instance),
            "all": ended - began,
        }
        for name, seconds in stages.items():
            found.setdefault(name, []).append(seconds)
    return {
        f"{name}_s": {"median": round(statistics.median(took), 2), "best": round(min(took), 2)}
        for name, took in found.items()
    }


def _cores_busy(system: Whole) -> float:
    before = sum(system.spent_s().values())
    time.sleep(1)
    return sum(system.spent_s().values()) - before


def _received(system: Whole, instance: str) -> float:
    return float(system.logged(instance, "Task tasks.classify")[0]["at"])


def warm(system: Whole, rounds: int) -> dict[str, Any]:
    """Milliseconds of an image where a worker waits, in each way to ask for it."""
    key = str(upload(system)["images"][0]["key"])
    with client(system) as ask:
        figures = {
            "post": _spread(lambda: post(system), rounds),
            "upload_to_label_on_the_stream": _spread(lambda: streamed(system), rounds),
            "delay_get": _spread(lambda: ask(key), rounds),
        }
        figures["delay_get_back_to_back"] = _spread(lambda: ask(key), rounds, pause_s=0)
    figures["post_back_to_back"] = _spread(lambda: post(system), rounds, pause_s=0)
    return {f"{name}_ms": figure for name, figure in figures.items()}


def stages(system: Whole, rounds: int) -> dict[str, float]:
    """Medians of the parts of a warm request: to the worker, to its thread, its work, the event's way, the answer."""
    found: dict[str, list[float]] = {}
    with _hearing(system) as events:
        for _ in range(rounds):
            time.sleep(random.uniform(0.3, 0.7))
            events()
            began = time.time()
            post(system)
            ended = time.time()
            time.sleep(0.7)
            said = {type: (said, heard) for type, said, heard in events()}
            if len(said) < 3:  # some are late on a busy machine
                continue
            received, started, done = (
                said[type][0] for type in ("task-received", "task-started", ImageClassified.TYPE)
            )
            parts = {
                "request_to_worker": received - began,
                "to_its_thread": started - received,
                "get_decode_run_put": done - started,
                "event_to_a_listener": said[ImageClassified.TYPE][1] - done,
                "done_to_answer": ended - done,
                "all": ended - began,
            }
            for name, seconds in parts.items():
                found.setdefault(name, []).append(1000 * seconds)
    return {name: round(statistics.median(took), 1) for name, took in found.items()}


def post(system: Whole) -> None:
    """Have one image classified by one request."""
    fields = {"myfile": ("photograph.jpg", _photograph(), "image/jpeg")}
    answer = _http.request("POST", f"http://127.0.0.1:{system.port}/", fields=fields, timeout=60, retries=False)
    if answer.status != 200:
        raise SystemExit(f"POST / answered {answer.status}: {answer.data[:300]!r}")


def streamed(system: Whole) -> float:
    """Upload one image, follow its batch, and return the milliseconds until its label was on the stream."""
    began = time.perf_counter()
    batch = upload(system)["id"]
    url = f"http://127.0.0.1:{system.port}/api/batches/{batch}/events"
    stream = _http.request("GET", url, preload_content=False, timeout=60, retries=False)
    read = b""
    while b"event: image-classified" not in read:
        read += stream.read1(65536)
    took = 1000 * (time.perf_counter() - began)
    stream.close()
    return took


def upload(system: Whole) -> dict[str, Any]:
    """Upload one image as a batch; return the answer."""
    fields = {"files": ("photograph.jpg", _photograph(), "image/jpeg")}
    url = f"http://127.0.0.1:{system.port}/api/batches"
    answer: dict[str, Any] = _http.request("POST", url, fields=fields, timeout=60, retries=False).json()
    return answer


@contextmanager
def client(system: Whole, *words: str) -> Iterator[Callable[[str], float]]:
    """Run a Celery client; yields what asks for a key, and returns the milliseconds until it had the result."""
    with _client(system, *words) as talk:
        yield lambda key: float(talk(key))


@contextmanager
def _hearing(system: Whole) -> Iterator[Callable[[], list[tuple[str, float, float]]]]:
    with _client(system, "listen") as talk:
        time.sleep(2)  # until it has subscribed
        yield lambda: json.loads(talk("events"))


@contextmanager
def _client(system: Whole, *words: str) -> Iterator[Callable[[str], str]]:
    process = subprocess.Popen(
        [python(system.root), str(CLIENT), str(system.data_dir), *words],
        env=system.environment,
        cwd=system.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def talk(line: str) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline()

    try:
        yield talk
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def _spread(once: Callable[[], float | None], rounds: int, pause_s: float = 0.33) -> dict[str, float]:
    """Return the median, the tenth and the ninetieth percentile of what ``once`` takes, in milliseconds.

    Args:
        once: returns what it took, or None to be timed.
        rounds: how often.
        pause_s: seconds between two, on average; at random, so that no round of somebody's is met at the same point.
    """
    took = []
    for _ in range(rounds + 1):
        time.sleep(random.uniform(0, 2 * pause_s))
        began = time.perf_counter()
        told = once()
        took.append(told if told is not None else 1000 * (time.perf_counter() - began))
    cuts = statistics.quantiles(took[1:], n=10)  # the first makes connections
    return {"p50": round(statistics.median(took[1:]), 1), "p10": round(cuts[0], 1), "p90": round(cuts[-1], 1)}


def _photograph() -> bytes:
    # No two alike: what has the same name and bytes is the same image.
    return random.choice(_photographs) + random.randbytes(8)


_http = urllib3.PoolManager(maxsize=8)
_photographs = small_jpegs()

if __name__ == "__main__":
    main()
