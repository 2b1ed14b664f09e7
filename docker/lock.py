"""Renews docker/constraints.txt: the newest versions that go together, of everything that any image or its build needs.

What pip itself is told by its configuration (an index, a constraint) holds here too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = "worker,model,local,oidc,redis,flower,otel"
HEAD = "# Written by `make lock`: the versions that the images are made of, and torch's, which builds the model.\n"


def main() -> None:
    """Ask pip what it would install into an empty environment, and write that down."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    done = subprocess.run([*command, f".[{EXTRAS}]"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found = [item["metadata"] for item in json.loads(done.stdout)["install"]]
    pins = sorted(f"{item['name'].lower()}=={item['version']}\n" for item in found if item["name"] != "elastiq")
    (ROOT / "docker" / "constraints.txt").write_text(HEAD + "".join(pins))


if __name__ == "__main__":
    main()
