"""The three cases of the report that Elastiq comes from: 1, 19 and 50 images, at most 19 instances, idle for 30 s.

    .venv/bin/python tests/benchmarks/report_cases.py [--json]

It runs `elastiq up` on a temporary directory. Times are seconds from when the queue has accepted every image.
How often an image was classified is counted in the workers' logs, which have a line for every task that succeeded.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conftest import models
from tests.support.stack import Stack, stack

CASES = (1, 19, 50)
CEILING, IDLE_S = 19, 30


def main() -> None:
    """Run the cases one after the other, each from a fleet of 0, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    settings = {
        "ELASTIQ_MODEL_DIR": str(models()),
        "ELASTIQ_POLICY": "seed",
        "ELASTIQ_MAX_INSTANCES": str(CEILING),
        "ELASTIQ_IDLE_SECONDS": str(IDLE_S),
    }
    with tempfile.TemporaryDirectory(prefix="elastiq-") as folder, stack(Path(folder) / "data", **settings) as running:
        cases = [run(running, images) for images in CASES]
    if as_json:
        print(json.dumps({"ceiling": CEILING, "idle_seconds": IDLE_S, "cases": cases}))
        return
    for case in cases:
        print("  ".join(f"{name} {value}" for name, value in case.items()))


def run(running: Stack, images: int) -> dict[str, Any]:
    """Hand in so many images and follow them until the fleet is gone."""
    batch, before = f"case-{images}", running.launched()
    keys = running.submit(batch, images)
    start = time.monotonic()
    first = last = gone = most = 0.0
    while not gone:
        now = time.monotonic() - start
        results, instances = len(running.results(batch)), len(running.instances())
        most = max(most, instances)
        first = first or (now if results else 0.0)
        last = last or (now if results == images else 0.0)
        gone = now if last and not instances else 0.0
        time.sleep(0.1)
    done = running.times_done()
    return {
        "images": images,
        "instances_started": running.launched() - before,
        "most_at_once": int(most),
        "results": len(running.results(batch)),
        "duplicates": sum(max(0, done[key] - 1) for key in keys),
        "seconds_to_first_result": round(first, 1),
        "seconds_to_last_result": round(last, 1),
        "seconds_to_fleet_0": round(gone, 1),
    }


if __name__ == "__main__":
    main()
