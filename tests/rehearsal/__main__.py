"""Plays the whole story and prints its figures: ``python -m tests.rehearsal [--json]``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.rehearsal.stage import played


def main() -> int:
    """Return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        story = played(Path(folder))
    if "--json" in sys.argv:
        print(json.dumps(story.figures, indent=1))
    else:
        print(story.report())
    return 0


if __name__ == "__main__":
    sys.exit(main())
