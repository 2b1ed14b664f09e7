"""One image's life, from its upload to the announcement of its label: by whom each step, and how long it took.

The buckets have all but the last, which is known where the announcement was heard. Clocks of other hosts may be wrong.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.domain import LIFE_TIMES, Life
from app.sources.source import name_in
from app.storage import Storage

# Images of which it is remembered when their outcome was heard.
KEPT = 20_000
_BY = {"uploaded": "web", "queued": "SQS", "announced": "web"}


class Lives:
    """Looks lives up. Safe to share between threads.

    Args:
        storage: where images and their outcomes are.
        clock: seconds since 1970.
    """

    def __init__(self, storage: Storage, clock: Callable[[], float] = time.time) -> None:
        self._storage, self._clock = storage, clock
        self._lock = threading.Lock()
        # Of each image, when its outcome was heard, and when the worker said that it was stored.
        self._heard: OrderedDict[str, tuple[float, float | None]] = OrderedDict()

    def heard(self, key: str, life: Life | None = None) -> None:
        """Take note that an image's outcome was announced just now, with its life."""
        with self._lock:
            self._heard.setdefault(key, (self._clock(), life.stored_at if life else None))
            while len(self._heard) > KEPT:
                self._heard.popitem(last=False)

    def read(self, key: str) -> dict[str, Any] | None:
        """Return what is known of an image, as the API answers with; None if there is no such image.

        Raises:
            ConfigurationError, TransientError: a bucket does not answer.
        """
        uploaded = self._storage.stored_at(key)
        life = self._storage.life(key)
        if uploaded is None and (life is None or name_in(key) is None):
            return None
        with self._lock:
            heard_at, stored_at = self._heard.get(key, (None, None))
        if life is not None and stored_at is not None:
            # What lies beside the outcome was written down before that was stored.
            life = replace(life, stored_at=stored_at)
        return {
            "key": key,
            "now": self._clock(),
            "worker": life.worker if life else None,
            "receives": life.receives if life else None,
            "steps": steps(uploaded.timestamp() if uploaded else None, life, heard_at),
        }


def steps(uploaded_at: float | None, life: Life | None, heard_at: float | None) -> list[dict[str, Any]]:
    """Return the steps that are known, in order, each with the seconds since the one before; pure."""
    known: list[tuple[str, float | None]] = [("uploaded", uploaded_at)]
    if life is not None:
        known += [(name.removesuffix("_at"), getattr(life, name)) for name in (*LIFE_TIMES, "stored_at")]
    known.append(("announced", heard_at))
    found: list[dict[str, Any]] = []
    before: float | None = None
    for step, at in known:
        if at is None:
            continue
        took_s = None if before is None else round(max(0.0, at - before), 4)
        found.append({"step": step, "by": _BY.get(step) or (life.worker if life else ""), "at": at, "took_s": took_s})
        before = at
    return found
