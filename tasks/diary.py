"""When a worker did what with one image: what its request says of the queue, and a note after each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from app.domain import Life
from app.process import spans
from app.settings import settings


class Diary:
    """One image's, in one attempt.

    Args:
        key: the image's.
        request: the task's, which on our transport says when its message was sent and received.
        clock: seconds since 1970.
    """

    def __init__(self, key: str, request: Any, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        node = request.hostname or ""
        self._worker = settings().worker.instance_id or node.partition("@")[0]
        self._task, self._receives = request.task or "", request.get("receives") or 1
        self._times: dict[str, float | None] = {
            "queued_at": _queued_at(request),
            "received_at": request.get("received_at"),
        }

        queued_at, received_at = self._times["queued_at"], self._times["received_at"]
        if queued_at is not None and received_at is not None:
            spans.past("waited in the queue", vars(request), (queued_at, received_at), key=key)
            spans.past("waited in the worker", vars(request), (received_at, self._clock()), key=key)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note when the block was done: ``fetched``, ``decoded`` or ``run``; it is a span of the image's trace."""
        with spans.span(name):
            yield
        self._times[f"{name}_at"] = self._clock()

    def closed(self) -> Life:
        """Return what was noted, with now for the time at which the outcome was stored."""
        return Life(self._worker, self._task, self._receives, self._clock(), **self._times)


def _queued_at(request: Any) -> float | None:
    sent_at: float | None = request.get("sent_at")
    if sent_at is None or not request.eta:
        return sent_at
    return max(sent_at, datetime.fromisoformat(request.eta).timestamp())
