"""What public reports say of Celery on SQS, tried on this project's transport and on kombu's own, side by side.

    .venv/bin/python tests/benchmarks/reports.py [--json] [--only TRIAL ...] [--side ours|kombu]

Both run under the Celery that is installed, with their own defaults where a trial sets nothing, each on an embedded
cloud of its own. docs/why.md is the table of it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from app.local import EmbeddedCloud
from app.local.cloud import CREDENTIALS
from tests.benchmarks import _report_trials as trials
from tests.benchmarks._report_trials import Side, Trial
from tests.support.fault_proxy import FaultProxy
from tests.support.workers import Bench


@dataclass(frozen=True)
class Entry:
    """A promise, the reports of it broken, and the trial of it.

    Attributes:
        reports: as ``owner/project#number``.
    """

    name: str
    promise: str
    reports: tuple[str, ...]
    trial: Trial


ENTRIES = (
    Entry(
        "poll-500",
        "a poll that SQS answers with 500 is tried again",
        ("celery/celery#8243", "celery/celery#5072", "celery/celery#4988", "celery/kombu#1127", "celery/kombu#1143"),
        trials.deaf("500"),
    ),
    Entry(
        "poll-503",
        "a poll that SQS answers with 503 is tried again, and ends no worker",
        ("celery/celery#4159",),
        trials.deaf("503"),
    ),
    Entry("poll-expired", "credentials that expired are fetched anew", ("celery/kombu#1459",), trials.deaf("expired")),
    Entry("poll-403", "a refusal that passes is lived through", ("celery/celery#6314",), trials.deaf("403")),
    Entry(
        "poll-reset",
        "a connection that is lost comes back",
        ("celery/celery#6210", "celery/celery#8350", "celery/celery#3990", "celery/kombu#796"),
        trials.deaf("reset"),
    ),
    Entry(
        "poll-hang",
        "a connection on which nothing comes is given up",
        ("celery/celery#4115", "celery/celery#3819"),
        trials.deaf("hang"),
    ),
    Entry(
        "stop-poll",
        "a message that comes to the last poll is given back",
        ("celery/celery#8875", "celery/celery#10172", "celery/kombu#1819"),
        trials.stopped_poll,
    ),
    Entry(
        "stop-warm",
        "on SIGTERM, what was not begun can be had at once",
        ("celery/kombu#1835",),
        trials.stopped_backlog(trials.signal.SIGTERM),
    ),
    Entry(
        "stop-cold",
        "on SIGQUIT, what was not begun can be had at once",
        ("celery/kombu#2049", "celery/celery#7950"),
        trials.stopped_backlog(trials.signal.SIGQUIT),
    ),
    Entry(
        "stop-twice",
        "what a stopping worker finished is not done again",
        ("celery/celery#9492", "celery/celery#4002"),
        trials.stopped_twice,
    ),
    Entry("killed", "a killed worker's tasks are done by another within a minute", (), trials.killed),
    Entry(
        "long-task",
        "a task may take longer than the visibility timeout",
        ("celery/celery#4400", "celery/kombu#1198"),
        trials.long_task,
    ),
    Entry(
        "distant-eta",
        "a task may be due later than the visibility timeout",
        ("celery/celery#4766", "celery/celery#6236", "celery/celery#3270", "celery/celery#2481"),
        trials.distant_eta,
    ),
    Entry(
        "countdown-held",
        "a task that waits for its time is in no worker's memory",
        ("celery/celery#978", "celery/celery#2541"),
        trials.countdown_held,
    ),
    Entry(
        "hogging", "a worker takes no more than it can do", ("celery/celery#7742", "celery/celery#1718"), trials.hogging
    ),
    Entry("rejected", "a rejected task frees its place", ("celery/kombu#1761",), trials.rejected),
    Entry(
        "always-failing",
        "a task that always fails ends among the dead letters",
        ("celery/celery#4797",),
        trials.always_failing,
    ),
    Entry(
        "no-task",
        "a message that is no task stops nothing",
        ("celery/kombu#2421", "celery/kombu#1181", "celery/celery#4308"),
        trials.no_task,
    ),
    Entry(
        "control",
        "`celery inspect` is answered",
        ("celery/celery#1291", "mher/flower#687", "mher/flower#65"),
        trials.remote_control,
    ),
    Entry("events", "a monitor hears events", ("danihodovic/celery-exporter#162", "mher/flower#497"), trials.monitored),
    Entry(
        "reply-queues",
        "programs that ask leave no queues behind",
        ("celery/celery#8348", "celery/celery#3280", "celery/kombu#1281", "celery/celery#5727"),
        trials.reply_queues,
    ),
    Entry(
        "privileges",
        "a queue that is named needs no right to list or make any",
        ("celery/kombu#1340", "celery/kombu#761"),
        trials.privileges,
    ),
    Entry(
        "requests", "receiving and deleting go ten to a request", ("celery/kombu#96", "celery/kombu#109"), trials.calls
    ),
    Entry("throughput", "no task waits for a poll to run out", ("celery/kombu#1783",), trials.waits_out_polls),
    Entry(
        "busy-loop",
        "a worker with full hands does not spin",
        ("celery/celery#3712", "celery/celery#3487"),
        trials.busy_loop,
    ),
    Entry(
        "publish",
        "a publish rides out a short outage, and publishes once",
        ("celery/celery#4296", "celery/celery#4663"),
        trials.publish_outage,
    ),
    Entry(
        "fifo", "many workers at a FIFO queue neither stop nor change the order", ("celery/celery#6852",), trials.fifo
    ),
)

SIDES: dict[str, dict[str, Any]] = {
    "ours": {"options": {}},
    "kombu": {"broker_transport": None, "options": {"region": "us-east-1", "is_secure": False}},
}


def main() -> None:
    """Put each side to each trial, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", nargs="+", choices=[entry.name for entry in ENTRIES], help="these trials alone")
    parser.add_argument("--side", choices=SIDES, help="this side alone")
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    wanted = [entry for entry in ENTRIES if not options.only or entry.name in options.only]
    with tempfile.TemporaryDirectory(prefix="elastiq-") as folder:
        rows = [
            {"trial": entry.name, "promise": entry.promise, "reports": entry.reports,
             **{side: tried(entry, side, Path(folder)) for side in ([options.side] if options.side else SIDES)}}
            for entry in wanted
        ]  # fmt: skip
    versions = {name: version(name) for name in ("celery", "kombu", "boto3")}
    if options.json:
        print(json.dumps({"versions": versions, "trials": rows}, indent=1))


def tried(entry: Entry, side: str, folder: Path) -> dict[str, Any]:
    """Return whether ``side`` kept the promise, and what was seen where it did not."""
    name = f"q{uuid.uuid4().hex[:8]}"
    (own := folder / name).mkdir()
    cloud = EmbeddedCloud(own / "cloud")  # of its own: what one side leaves behind is not in another's way
    cloud.start()
    start = time.monotonic()
    try:
        with FaultProxy(cloud.endpoint_url) as proxy:
            os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint_url
            bench = Bench(own, cloud.endpoint_url, name)
            conf = SIDES[side]
            at = {"endpoint_url": proxy.endpoint_url} if side == "ours" else {}
            try:
                seen = entry.trial(Side({**conf, "options": {**conf["options"], **at}}, bench, proxy))
            finally:
                bench.end()
    finally:
        cloud.stop()
    print(f"{entry.name:16} {side:6} {time.monotonic() - start:5.0f} s  {seen or 'kept'}", file=sys.stderr, flush=True)
    return {"kept": not seen, "seen": seen}


if __name__ == "__main__":
    main()
