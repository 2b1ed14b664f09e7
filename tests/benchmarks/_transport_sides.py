"""The sides of the transport benchmark: this project's own, and stock Celery in virtual environments of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".elastiq" / "benchmarks"

OURS: dict[str, Any] = {
    "broker_url": "sqs://",
    "broker_transport": "app.sqs:Transport",
    "worker_prefetch_multiplier": 1,
}
# What stock does best with on this benchmark: a short pause between polls, Celery's own prefetch window, and the
# longest wait that it takes by default.
STOCK: dict[str, Any] = {
    "broker_url": "sqs://",
    "worker_prefetch_multiplier": 4,
    "broker_transport_options": {
        "region": "us-east-1",
        "is_secure": False,
        "polling_interval": 0.05,
        "wait_time_seconds": 10,
    },
}


@dataclass(frozen=True)
class Side:
    """One way to run Celery on SQS.

    Attributes:
        name: its key in the results.
        python: the interpreter that has it.
        conf: the Celery configuration.
    """

    name: str
    python: Path
    conf: dict[str, Any]

    def versions(self) -> dict[str, str]:
        """Return the versions of what it is made of."""
        code = (
            "import json; from importlib.metadata import version, packages_distributions as p;"
            "print(json.dumps({n: version(n) for n in ('celery', 'kombu', 'boto3', 'botocore', 'pycurl')"
            " if n in {d for ds in p().values() for d in ds}}))"
        )
        answer = subprocess.run([self.python, "-c", code], check=True, capture_output=True, text=True)
        versions: dict[str, str] = json.loads(answer.stdout)
        return versions


def sides(*, ours_alone: bool = False) -> list[Side]:
    """Return all sides, stock's environments made first where they are missing.

    Raises:
        SystemExit: pip could not make them; the message says what to do.
    """
    ours = Side("ours", Path(sys.executable), OURS)
    if ours_alone:
        return [ours]
    return [
        Side("stock562", _stock("5.6.2", "celery[sqs]~=5.6.0"), STOCK),
        Side("stock570", _stock("5.7.0", "celery[sqs]==5.7.0"), STOCK),
        ours,
    ]


def _stock(kombu: str, celery: str) -> Path:
    folder = CACHE / f"kombu-{kombu}"
    python = folder / "bin" / "python"
    made = folder / "made"
    if made.exists():
        return python
    print(f"making {folder} with {celery} and kombu {kombu} (once, about a minute)", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    command = [python, "-m", "pip", "install", "--quiet", celery, f"kombu[sqs]=={kombu}", "boto3", "pycurl"]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(
            f"The comparison needs stock Celery in {folder}, and pip could not install it there: see above.\n"
            "Let pip reach a package index (PIP_INDEX_URL), then run this again; or pass --ours to measure ours alone."
        )
    made.touch()
    return python
