"""A worker that tells nobody anything: no task's event, no image's, no heartbeat."""

from __future__ import annotations

import sys
from typing import Any

from app.settings import settings
from tasks.worker import celery_internals, lifecycle


def run(application: Any, node: str) -> int:
    """Run a worker as `celery_internals.run` does, but for its events."""
    quiet = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True, "quiet": True}
    worker = application.Worker(hostname=node, loglevel="INFO", task_events=False, **quiet)
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    celery_internals.run = run
    sys.exit(lifecycle.run_worker(settings()))
