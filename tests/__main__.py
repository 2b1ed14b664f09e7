"""Runs every test, in two halves at once, since most of them wait: ``python -m tests [pytest's arguments]``.

Each half is a pytest of its own with a cloud of its own. The first half's output is shown when the second has ended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SECOND = ("e2e", "faults", "versions")
# What needs root and minutes of building: `make test-images` and `make rehearsal`.
APART = ("images", "rehearsal")


def main() -> int:
    """Run both; return pytest's exit status, the first half's if both failed."""
    folders = sorted(
        folder.name for folder in HERE.iterdir() if any(folder.rglob("test_*.py")) and folder.name not in APART
    )
    halves = [[name for name in folders if name not in SECOND], list(SECOND)]
    commands = [
        [sys.executable, "-m", "pytest", *(str(HERE / name) for name in half), *sys.argv[1:]] for half in halves
    ]
    with tempfile.TemporaryFile("w+") as output:
        first = subprocess.Popen(commands[0], stdout=output, stderr=subprocess.STDOUT)
        second = subprocess.run(commands[1], check=False).returncode
        status = first.wait()
        output.seek(0)
        sys.stdout.writelines(output)
        sys.stdout.flush()
    return status or second


if __name__ == "__main__":
    sys.exit(main())
