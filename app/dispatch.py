"""Sending announcements from a process that is no worker; no work depends on anybody's hearing them."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import structlog
from celery import Celery

from app.announcements import Announcement

log = structlog.get_logger(__name__)


class Dispatch:
    """Sends events under the name of this process. Safe to share between threads.

    Args:
        app: the Celery application that they are sent through.
        tier: what this process is.
    """

    def __init__(self, app: Celery, tier: str) -> None:
        self._app, self._tier = app, tier
        self._lock = threading.Lock()
        self._dispatcher: Any = None
        self._failing = False

    def send(self, what: Announcement) -> None:
        """Send an announcement; a failure is logged, the first of a series. Raises nothing."""
        with self._lock:
            try:
                self._send(what)
                self._failing = False
            except Exception as err:  # whatever it is, no work depends on it
                if not self._failing:
                    log.warning("event_not_sent", type=what.TYPE, reason=f"{type(err).__name__}: {err}")
                self._failing = True

    def _send(self, what: Announcement) -> None:
        if self._dispatcher is None:
            name = f"{self._tier}@{socket.gethostname()}:{os.getpid()}"
            connection = self._app.connection_for_write()
            self._dispatcher = self._app.events.Dispatcher(connection, hostname=name, buffer_while_offline=False)
        self._dispatcher.send(what.TYPE, **what.to_event())
