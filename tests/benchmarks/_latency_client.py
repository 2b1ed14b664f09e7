"""A Celery client of the checkout on its PYTHONPATH, for latency.py: waits for tasks, and hears the workers' events.

A line on its input is a key: it answers with the milliseconds from ``delay`` to ``get``'s return. A line ``events`` is
answered with what was heard since the last, as JSON: type, when it was said and when it was heard.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from app.announcements import ImageClassified
from app.local.stack import read_environment

TYPES = ("task-received", "task-started", ImageClassified.TYPE)

heard: list[tuple[str, float, float]] = []


def listen(app: Any) -> None:
    """Hear events for as long as this process lives."""

    def hear(event: dict[str, Any]) -> None:
        if event["type"] in TYPES:
            heard.append((event["type"], event["timestamp"], time.time()))

    with app.connection_for_read() as connection:
        app.events.Receiver(connection, handlers={"*": hear}).capture(limit=None, timeout=None, wakeup=False)


def main() -> None:
    """Answer until the input ends."""
    os.environ.update(read_environment(Path(sys.argv[1])))
    from tasks import classify
    from tasks.celery import app

    if sys.argv[2:] == ["listen"]:
        threading.Thread(target=listen, args=(app,), daemon=True).start()
    for line in sys.stdin:
        if line.strip() == "events":
            told, heard[:] = json.dumps(heard), []
            print(told, flush=True)
        else:
            began = time.perf_counter()
            classify.delay(line.strip()).get(timeout=60)
            print(1000 * (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
