"""Has parliament look at each policy that the template gives, and at that of who deploys, for `make check-template`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.template import FILE, policies

# What parliament finds and is no fault, by policy and kind.
ACCEPTED = {
    # RunInstances is allowed in three statements, each for some kinds of resource, under conditions of their own.
    ("launching", "RESOURCE_MISMATCH"),
    # Canonical's public parameters are no account's.
    ("deployer", "RESOURCE_MISMATCH"),
    # Networks have ids and no names; the region bounds them. Looking harms nothing.
    ("deployer", "RESOURCE_STAR"),
    # cloudformation:DescribeEvents is younger than parliament's list.
    ("deployer", "UNKNOWN_ACTION"),
}


def deployer() -> str:
    """Return the policy of who deploys, for an account."""
    text = (FILE.parent / "deployer.json").read_text()
    for name, sample in (("ACCOUNT", "123456789012"), ("REGION", "eu-central-1"), ("NAME", "elastiq")):
        text = text.replace(name, sample)
    return text


def main(parliament: str) -> int:
    """Print what it finds, and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        for name, document in {**policies(), "deployer": json.loads(deployer())}.items():
            (Path(folder) / f"{name.replace(' ', '-')}.json").write_text(json.dumps(document, indent=1))
        command = [parliament, "--directory", folder, "--json"]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    found = [json.loads(line) for line in said.splitlines()]
    left = [one for one in found if (Path(one["location"]["filepath"]).stem, one["issue"]) not in ACCEPTED]
    for one in left:
        sys.stderr.write(f"{Path(one['location']['filepath']).stem}: {one['title']}: {one['detail']}\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
