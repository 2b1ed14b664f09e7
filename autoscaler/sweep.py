"""Sweeps up after what died: tells the owners of dead letters, and deletes the queues of listeners that are gone.

It runs beside the scaling loop, in a thread of its own; what fails is logged and tried again at the next round.
"""

from __future__ import annotations

import threading
import time

import structlog

from app.dead_letters import DeadLetters
from app.errors import ElastiqError
from app.settings import Settings
from app.sqs.sweep import sweep_listeners
from app.storage import Storage
from tasks.celery import listener_prefix, make_app

log = structlog.get_logger(__name__)

ROUND_S = 10.0
# Dead letters are looked at when their count changes, and now and then all the same: the count is approximate.
LOOK_AGAIN_S = 600.0
LISTENERS_S = 60.0


class Sweep:
    """One round at a time.

    Args:
        settings: the queues and buckets.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app = make_app(settings)
        self._storage = Storage(settings)
        self._dead = DeadLetters(settings)
        self._count, self._looked_at, self._listeners_at = 0, float("-inf"), float("-inf")

    def round(self, now: float) -> None:
        """Do what is due at ``now`` (monotonic seconds)."""
        try:
            self._dead_letters(now)
            self._listeners(now)
        except ElastiqError as err:
            log.warning("sweep_failed", reason=str(err))

    def _dead_letters(self, now: float) -> None:
        count = self._dead.count()
        if count and (count != self._count or now - self._looked_at > LOOK_AGAIN_S):
            for failure in self._dead.report(self._storage):
                log.error("image_dead_lettered", key=failure.key)
            self._looked_at = now
        self._count = count

    def _listeners(self, now: float) -> None:
        if not self._settings.listen or now - self._listeners_at < LISTENERS_S:
            return
        self._listeners_at = now
        with self._app.connection() as connection:
            gateway = connection.transport.gateway
            sweep_listeners(gateway.api, listener_prefix(self._settings), gateway.fanout.topic_arn)


def start(settings: Settings, stopped: threading.Event) -> threading.Thread:
    """Sweep every ten seconds in a thread of its own until ``stopped``."""

    def run() -> None:
        sweep = Sweep(settings)
        while not stopped.wait(ROUND_S):
            sweep.round(time.monotonic())

    thread = threading.Thread(target=run, name="sweep", daemon=True)
    thread.start()
    return thread
