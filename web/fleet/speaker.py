"""Announcing something from web, under this process's name; nothing waits for it, or fails by it."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import structlog
from celery import Celery

from app.announcements import CallsMade, ImagesQueued

log = structlog.get_logger(__name__)


class Speaker:
    """Announces. Safe to share between threads.

    Args:
        celery: the application that it is announced through.
    """

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._lock = threading.Lock()
        self._dispatcher: Any = None
        self._failing = False

    def say(self, what: ImagesQueued | CallsMade) -> None:
        """Announce something. Raises nothing; the first of a series of failures is logged."""
        with self._lock:
            try:
                self._send(what)
                self._failing = False
            except Exception as err:  # whatever it is, no work depends on it
                if not self._failing:
                    log.warning("announcing_failed", reason=f"{type(err).__name__}: {err}")
                self._failing = True

    def _send(self, what: ImagesQueued | CallsMade) -> None:
        if self._dispatcher is None:
            name = f"web@{socket.gethostname()}:{os.getpid()}"
            connection = self._celery.connection_for_write()
            self._dispatcher = self._celery.events.Dispatcher(connection, hostname=name, buffer_while_offline=False)
        self._dispatcher.send(what.TYPE, **what.to_event())
