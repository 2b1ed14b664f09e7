"""When a worker did what with one image: what its request says of the queue, and a note after each step."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from app.domain import Life
from app.settings import settings


class Diary:
    """One image's, in one attempt.

    Args:
        request: the task's, which on our transport says when its message was sent and received.
        clock: seconds since 1970.
    """

    def __init__(self, request: Any, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        node = request.hostname or ""
        self._worker = settings().worker.instance_id or node.partition("@")[0]
        self._task, self._receives = request.task or "", request.get("receives") or 1
        self._times: dict[str, float | None] = {
            "queued_at": _queued_at(request),
            "received_at": request.get("received_at"),
        }

    def note(self, step: str) -> None:
        """Note that a step has just been done: ``fetched_at``, ``decoded_at`` or ``run_at``."""
        self._times[step] = self._clock()

    def closed(self) -> Life:
        """Return what was noted, with now for the time at which the outcome was stored."""
        return Life(self._worker, self._task, self._receives, self._clock(), **self._times)


def _queued_at(request: Any) -> float | None:
    sent_at: float | None = request.get("sent_at")
    if sent_at is None or not request.eta:
        return sent_at
    return max(sent_at, datetime.fromisoformat(request.eta).timestamp())
