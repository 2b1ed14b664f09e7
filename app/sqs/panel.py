"""``celery inspect sqs``: a worker's transport counters. Imported where a worker's loop begins."""

from __future__ import annotations

from typing import Any

from celery.worker.control import inspect_command

from app.sqs.metrics import metrics


@inspect_command()
def sqs(state: Any) -> dict[str, Any]:
    """Return the transport's counters: messages, leases, polls, errors, and API calls by action."""
    return metrics.snapshot()
