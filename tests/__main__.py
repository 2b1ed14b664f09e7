"""Runs every test, in four parts at once, since most of them wait: ``python -m tests [pytest's arguments]``.

Each part is a pytest of its own with a cloud of its own. What the others say is shown when the last one has ended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
# Each about as long as the other; the rest is a part too. As pytest takes them, in this folder.
LONG = (("integration/app",), ("integration", "--ignore=integration/app"), ("e2e", "faults", "versions"))
# What needs root and minutes of building: `make test-images` and `make rehearsal`.
APART = ("images", "rehearsal")


def main() -> int:
    """Run all; return pytest's exit status, that of the first part that failed."""
    *hidden, shown = _parts()
    with ExitStack() as opened:
        outputs = [opened.enter_context(tempfile.TemporaryFile("w+")) for _ in hidden]
        others = [_begun(part, output) for part, output in zip(hidden, outputs, strict=True)]
        last = _begun(shown).wait()
        statuses = [other.wait() for other in others]
        for output in outputs:
            output.seek(0)
            sys.stdout.writelines(output)
        sys.stdout.flush()
    return next(filter(None, [*statuses, last]), 0)


def _parts() -> list[tuple[str, ...]]:
    folders = {folder.name for folder in HERE.iterdir() if any(folder.rglob("test_*.py"))}
    rest = folders.difference(APART, (what.partition("/")[0] for part in LONG for what in part))
    return [tuple(sorted(rest)), *LONG]


def _begun(part: tuple[str, ...], output: IO[str] | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", *part, *sys.argv[1:]]
    return subprocess.Popen(command, cwd=HERE, stdout=output, stderr=output and subprocess.STDOUT)


if __name__ == "__main__":
    sys.exit(main())
