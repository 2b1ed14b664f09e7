"""What files that claim much cost at the door, eight at once there, in a preview and in a worker: time and memory.

    .venv/bin/python tests/benchmarks/hostile.py [--json] [--cpu SECONDS] [--only WORDS] [ROOT]

ROOT is the checkout to measure, this one unless told; the files are made by this one. Each way is asked whatever the
door said, in a process with 8 GB that is ended after that many seconds of the processor.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support import hostile, jpegs  # noqa: E402
from tests.support.probe import Answer, Probe  # noqa: E402

WAYS = ("door", "eight", "preview", "worker")


def main() -> None:
    """Print what each file costs in each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--cpu", type=float, default=20, help="seconds of the processor that a file may take")
    parser.add_argument("--only", default="", help="files whose names have these words")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT)
    given = parser.parse_args()
    files = {"a photograph": jpegs.photograph, **hostile.FILES, **hostile.HEAVY}
    found = {}
    for name, make in files.items():
        if given.only in name:
            found[name] = measured(make(), given.root.resolve(), given.cpu)
            if not given.json:
                print(f"{name:38}", *(f"{way} {_short(found[name][way]):24}" for way in WAYS), flush=True)
    if given.json:
        print(json.dumps({"benchmark": "hostile", "files": found_json(found)}, indent=2))


def measured(content: bytes, root: Path, cpu_s: float) -> dict[str, Answer]:
    """Return what becomes of one file in each way."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        path.write_bytes(content)
        probe = Probe(root, cpu_s)
        # Asked of a photograph first: what is imported at the first one is nobody's cost.
        first = Path(folder) / "first"
        first.write_bytes(jpegs.photograph())
        found = {}
        for way in WAYS:
            probe.ask(way, first)
            found[way] = probe.ask(way, path)
        probe.close()
        return found


def found_json(found: dict[str, dict[str, Answer]]) -> dict[str, dict[str, object]]:
    """Return the answers as JSON has them."""
    return {name: {way: asdict(answer) for way, answer in ways.items()} for name, ways in found.items()}


def _short(answer: Answer) -> str:
    return f"{answer.outcome} {answer.cpu_s:.3g} s {answer.peak_mb:.0f} MB"


if __name__ == "__main__":
    main()
