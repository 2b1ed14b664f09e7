"""Telling the autoscaler that images wait where no worker is heard, so that it looks at once; it would look anyway."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery

from app.announcements import ImagesQueued

log = structlog.get_logger(__name__)

# The autoscaler looks about that often by itself.
PAUSE_S = 1.0


class Summons:
    """Announces that images were queued. Safe to share between threads; no upload waits for it, or fails by it.

    Args:
        celery: the application that it is announced through.
        needed: returns whether the autoscaler is to look before its time.
        clock: seconds, monotonic.
    """

    def __init__(self, celery: Celery, needed: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._celery, self._needed, self._clock = celery, needed, clock
        self._lock = threading.Lock()
        self._sent_at = float("-inf")
        self._dispatcher: Any = None
        self._failing = False

    def send(self, count: int) -> None:
        """Announce that so many images were queued, if that is needed and was not just done. Raises nothing."""
        if not self._needed():
            return
        with self._lock:
            if self._clock() - self._sent_at < PAUSE_S:
                return
            self._sent_at = self._clock()
            try:
                self._send(ImagesQueued(count))
                self._failing = False
            except Exception as err:  # whatever it is, the autoscaler looks by itself
                if not self._failing:
                    log.warning("summons_failed", reason=f"{type(err).__name__}: {err}")
                self._failing = True

    def _send(self, what: ImagesQueued) -> None:
        if self._dispatcher is None:
            name = f"web@{socket.gethostname()}:{os.getpid()}"
            connection = self._celery.connection_for_write()
            self._dispatcher = self._celery.events.Dispatcher(connection, hostname=name, buffer_while_offline=False)
        self._dispatcher.send(what.TYPE, **what.to_event())
