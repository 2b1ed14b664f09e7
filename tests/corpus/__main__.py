"""Runs a corpus of image files through the check and the engine's decode: ``python -m tests.corpus [--json] [ROOT]``.

It is made of what installed packages ship, of that in every format, of files that claim much, and of all those broken
at random by a fixed seed. ROOT is the checkout whose code is asked; this one unless told.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.corpus.files import corpus
from tests.corpus.run import LARGE_MB, SLOW_S, run


def main() -> int:
    """Print how many files were labelled, refused, slow, large and crashed; return 1 if any of the last three was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--count", type=int, default=6_000, help="how many files")
    parser.add_argument("--seed", type=int, default=1, help="of what is broken at random")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[2])
    given = parser.parse_args()
    found = run(corpus(given.count, given.seed), given.root.resolve())
    if given.json:
        print(json.dumps({"benchmark": "corpus", "counts": found.counts, "bad": found.bad}, indent=2))
    else:
        print(", ".join(f"{count} {what}" for what, count in found.counts.items()))
        print(f"slow: more than {SLOW_S} s of the processor; large: more than {LARGE_MB} MB", *found.bad, sep="\n")
    return 1 if found.bad else 0


if __name__ == "__main__":
    sys.exit(main())
