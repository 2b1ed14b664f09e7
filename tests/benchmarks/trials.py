"""The autoscaler on its worst days: the real loop, observer and EC2 adapter in fake time, and what each day costs.

    .venv/bin/python tests/benchmarks/trials.py [--json] [--only WORDS]

Of each trial: instances launched, calls of RunInstances, hours billed, those over the work itself, the share of images
late, the most instances at once and those that are there at the end. docs/autoscaler.md has the table.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

import structlog

# The repository in place of this folder, where a file may have a package's name.
sys.path[0] = str(Path(__file__).parents[2])

from tests.support.trials import TRIALS  # noqa: E402


def main() -> None:
    """Run every trial, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", default="", help="run those whose name contains this")
    given = parser.parse_args()
    os.environ.update({"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"})  # nothing is ever sent
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rows = {}
    for name, trial in TRIALS.items():
        if given.only in name:
            rows[name] = trial().figures()
            print(name, *(f"{what} {figure:g}" for what, figure in rows[name].items()), sep="  ", file=sys.stderr)
    if given.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
