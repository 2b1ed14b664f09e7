"""How deep the task queues and the dead-letter queue are, asked of SQS every few seconds at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from app.aws.depth import QueueReader
from app.domain import QueueDepth
from app.errors import ElastiqError
from app.settings import Settings

log = structlog.get_logger(__name__)

KEPT_S = 5.0


@dataclass(frozen=True, slots=True)
class Depths:
    """Both depths; None with a ``problem``, in words, where SQS did not tell.

    ``queue`` is that of the task queue and the bulk queue together, and ``waiting`` what is visible in each.
    """

    queue: QueueDepth | None
    dead_letters: int | None
    problem: str | None = None
    waiting: dict[str, int] = field(default_factory=dict, compare=False)


class DepthReader:
    """Reads both depths. Safe to share between threads; those who ask at the same time share the calls.

    Args:
        settings: the queues.
        clock: seconds, monotonic.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._readers = QueueReader(settings), QueueReader(settings, dead_letters=True)
        self._lock = threading.Lock()
        self._known = Depths(None, None)
        self._known_at = float("-inf")

    def read(self) -> Depths:
        """Return the depths, at most `KEPT_S` old; an answer that does not come is a part of what is returned."""
        with self._lock:
            if self._clock() - self._known_at > KEPT_S:
                self._known = self._ask()
                self._known_at = self._clock()
            return self._known

    def known(self) -> Depths | None:
        """Return the same without asking anybody; None if it is older."""
        known, at = self._known, self._known_at
        return known if self._clock() - at <= KEPT_S else None

    def _ask(self) -> Depths:
        tasks, dead = self._readers
        try:
            depths = tasks.depths()
            waiting = {name: depth.visible for name, depth in depths.items()}
            return Depths(sum(depths.values(), QueueDepth(0, 0)), dead.depth().total, waiting=waiting)
        except ElastiqError as err:
            if self._known.problem is None:
                log.warning("depth_unknown", reason=str(err))
            return Depths(None, None, str(err))
