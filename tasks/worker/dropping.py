"""Which batches' messages this worker drops: those cancelled or deleted, as it is told and as it looks by itself.

What it is told counts at once. Marks in the output bucket are looked at when it begins, and then once a minute while
messages come: so a worker that did not hear drops too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from celery.worker.control import control_command

from app.domain import BATCH_ID, DROP_COMMAND, batch_of
from app.errors import ElastiqError

log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 60.0
# A worker waits so long for its first look before it takes messages.
PATIENCE_S = 2.0


class Dropped:
    """The batches. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marked: frozenset[str] = frozenset()
        # What was told since the last look began, which need not have seen it.
        self._told: dict[str, bool] = {}

    def has(self, key: str) -> bool:
        """Return whether the image ``key`` is of such a batch."""
        batch = batch_of(key)
        with self._lock:
            return self._told.get(batch, batch in self._marked)

    def tell(self, batch: str, drop: bool) -> None:
        """Note what others say of a batch."""
        if BATCH_ID.fullmatch(batch):
            with self._lock:
                self._told[batch] = drop

    def look(self, marked: Callable[[], Iterable[str]]) -> None:
        """Note all that are marked now.

        Raises:
            ConfigurationError, TransientError: ``marked`` does; then all stays as it was.
        """
        with self._lock:
            before = dict(self._told)
        found = frozenset(marked())
        with self._lock:
            self._marked = found
            # A mark is put, or removed, before that is told: what was told before the look is in it.
            self._told = {batch: drop for batch, drop in self._told.items() if batch not in before}


dropped = Dropped()


@control_command(name=DROP_COMMAND, args=[("batch", str), ("drop", bool)])
def _told(state: Any, batch: str, drop: bool, **_: Any) -> None:
    """Drop the messages of a batch, or take them again."""
    dropped.tell(str(batch), bool(drop))
    log.info("batch_dropped" if drop else "batch_taken_again", batch=str(batch)[:80])


class Looking:
    """A thread that looks at the marks, at once and then while messages come.

    Args:
        marked: returns the batches that are marked.
        pause_s: seconds between two looks.

    Attributes:
        touched_at: returns when a message came last, in seconds.
    """

    def __init__(self, marked: Callable[[], Iterable[str]], pause_s: float = LOOK_AGAIN_S) -> None:
        self._marked, self._pause_s = marked, pause_s
        self.touched_at: Callable[[], float] = lambda: 0.0
        self._looked, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="dropped", daemon=True)

    def start(self, patience_s: float = 0.0) -> None:
        """Begin, and return once the first look is over, after so many seconds at the latest."""
        self._thread.start()
        self._looked.wait(patience_s)

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _run(self) -> None:
        touched_at = 0.0
        self._look()
        self._looked.set()
        while not self._stopping.wait(self._pause_s):
            if touched_at != (touched_at := self.touched_at()):
                self._look()

    def _look(self) -> None:
        try:
            dropped.look(self._marked)
        except ElastiqError as err:  # what is not dropped is classified, which does no harm
            log.warning("dropped_batches_unknown", reason=str(err))
