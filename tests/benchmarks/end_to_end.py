"""How many images a second one machine does, from the upload to the last label, and what each part of it costs.

    .venv/bin/python tests/benchmarks/end_to_end.py [--json] [--images N] [--part NAME] [--before ROOT] [ROOT]

ROOT is the checkout to measure, this one unless told; that of ``--before`` is measured too, in each part before the
other. The clients are this one's, and share the machine. ``calls`` counts what the parts ask of AWS, through a proxy.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from _photographs import progressive_jpegs, small_jpegs
from _roots import roots
from _whole import HERE, Whole, whole

from app.local import EmbeddedCloud
from app.local.cloud import CREDENTIALS
from tests.support.fault_proxy import FaultProxy

AT_ONCE = 64
# Of requests one after another, whose calls are counted.
LONE, PAUSE_S = 20, 0.5


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one line")
    parser.add_argument("--images", type=int, default=1000, help="images of each figure")
    parser.add_argument("--part", choices=[*PARTS], help="measure this part alone")
    parser.add_argument("--before", type=Path, metavar="ROOT", help="measure this checkout too")
    parser.add_argument("root", nargs="?", type=Path, default=HERE)
    given = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    figures: dict[str, Any] = {"benchmark": "end_to_end", "load_before": round(os.getloadavg()[0], 2)}
    for name, part in PARTS.items():
        if given.part not in (None, name):
            continue
        for which, root in roots(given.root, given.before).items():
            print(f"{name} {which} ...", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="elastiq-whole-") as folder:
                found.setdefault(which, {})[name] = part(root, Path(folder), given.images)
    figures |= found if given.before else found["now"]
    print(json.dumps(figures, indent=None if given.json else 2))


def one_upload(root: Path, folder: Path, images: int, of: Callable[[], list[bytes]] = small_jpegs) -> dict[str, Any]:
    """From cold: one request with all images, then its batch's stream until the end."""
    with whole(root, folder / "data", ELASTIQ_IDLE_SECONDS="0") as system:
        return _rate(system, images, lambda: _upload(system, _photographs(images, of)))


def single_requests(root: Path, folder: Path, images: int) -> dict[str, Any]:
    """From cold: as many requests, 64 at once, each answered with its label."""
    with whole(root, folder / "data", ELASTIQ_IDLE_SECONDS="0") as system:
        return _rate(system, images, lambda: _at_once(system, images))


def single_uploads(root: Path, folder: Path, images: int) -> dict[str, Any]:
    """From cold: as many batches of one, 64 at once, until their queue is empty."""
    with whole(root, folder / "data", ELASTIQ_IDLE_SECONDS="0") as system:

        def ask() -> None:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda jpeg: _send(system.port, [jpeg]), _photographs(images)))
            system.wait_for(lambda: _metric(system, "elastiq_images_classified_total") >= images)

        return _rate(system, images, ask)


def calls(root: Path, folder: Path, images: int) -> dict[str, Any]:
    """Calls that a warm image costs by ``POST /``: alone, less those of an idle system; and in a crowd."""
    os.environ.update(CREDENTIALS)
    cloud = EmbeddedCloud(folder / "cloud")
    cloud.start()
    try:
        with FaultProxy(cloud.endpoint_url) as proxy:
            at = {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.endpoint_url, "AWS_REGION": "us-east-1"}
            with whole(root, folder / "data", ELASTIQ_IDLE_SECONDS="0", ELASTIQ_MAX_INSTANCES="1", **at) as system:
                _post(system.port, _photographs(1)[0])
                idle = _counted(proxy, lambda: None)
                busy = _counted(proxy, lambda: _post(system.port, _photographs(1)[0]))
                before = proxy.calls.copy()
                _at_once(system, images)
                crowd = {action: round((n - before[action]) / images, 2) for action, n in proxy.calls.items()}
    finally:
        cloud.stop()
    found = {action: round((busy.get(action, 0) - idle.get(action, 0)) / LONE, 2) for action in {*busy, *idle}}
    return {
        "lone_image": _calls(found),
        "each_of_64_at_once": _calls(crowd),
        "idle_calls_a_second": round(sum(idle.values()) / LONE / PAUSE_S, 2),
    }


PARTS: dict[str, Callable[[Path, Path, int], dict[str, Any]]] = {
    "one_upload": one_upload,
    "one_upload_of_progressive_jpegs": partial(one_upload, of=progressive_jpegs),
    "single_requests": single_requests,
    "single_uploads": single_uploads,
    "calls": calls,
}


def _rate(system: Whole, images: int, ask: Callable[[], None]) -> dict[str, Any]:
    before, own, began = system.spent_s(), time.process_time(), time.monotonic()
    ask()
    seconds, own = time.monotonic() - began, time.process_time() - own
    spent = {part: seconds - before.get(part, 0) for part, seconds in system.spent_s().items()}
    by_part = {part: round(1000 * spent_s / images, 2) for part, spent_s in {**spent, "this_client": own}.items()}
    return {
        "images_per_s": round(images / seconds, 1),
        "core_ms_per_image": dict(sorted(by_part.items(), key=lambda part: -part[1])),
    }


def _calls(by_action: dict[str, float]) -> dict[str, float]:
    ordered = sorted(((action, n) for action, n in by_action.items() if n), key=lambda one: -one[1])
    return {"all": round(sum(by_action.values()), 1), **dict(ordered)}


def _at_once(system: Whole, images: int) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda jpeg: _post(system.port, jpeg), _photographs(images)))


def _counted(proxy: FaultProxy, once: Callable[[], object]) -> dict[str, int]:
    time.sleep(3)  # what came before has come to rest
    before = proxy.calls.copy()
    for _ in range(LONE):
        began = time.monotonic()
        once()
        time.sleep(max(0.0, began + PAUSE_S - time.monotonic()))
    return {action: count - before[action] for action, count in proxy.calls.items()}


def _post(port: int, jpeg: bytes) -> None:
    fields = {"myfile": ("photograph.jpg", jpeg, "image/jpeg")}
    answer = _http.request("POST", f"http://127.0.0.1:{port}/", fields=fields)
    if answer.status != 200:
        raise SystemExit(f"POST / answered {answer.status}: {answer.data[:300]!r}")


def _send(port: int, jpegs: list[bytes]) -> str:
    fields = [("files", (f"{number}.jpg", jpeg, "image/jpeg")) for number, jpeg in enumerate(jpegs)]
    answer = _http.request("POST", f"http://127.0.0.1:{port}/api/batches", fields=fields)
    if answer.status != 201:
        raise SystemExit(f"POST /api/batches answered {answer.status}: {answer.data[:300]!r}")
    return str(answer.json()["id"])


def _upload(system: Whole, jpegs: list[bytes]) -> None:
    batch = _send(system.port, jpegs)
    url = f"http://127.0.0.1:{system.port}/api/batches/{batch}/events"
    stream = _http.request("GET", url, preload_content=False)
    read = b""
    while b"event: done" not in read:
        read = read[-20:] + stream.read1(65536)
    stream.close()


def _metric(system: Whole, name: str) -> float:
    time.sleep(0.2)
    text = _http.request("GET", f"http://127.0.0.1:{system.port}/metrics").data.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def _photographs(count: int, of: Callable[[], list[bytes]] = small_jpegs) -> list[bytes]:
    """Return so many, no two alike."""
    all_ = of()
    return [all_[number % len(all_)] + os.urandom(8) for number in range(count)]


_http = urllib3.PoolManager(maxsize=AT_ONCE, timeout=300, retries=False)

if __name__ == "__main__":
    main()
