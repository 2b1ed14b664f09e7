"""Listening to Celery's events, for as long as a process lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from celery import Celery
from celery.events.receiver import EventReceiver

from app.errors import ElastiqError

log = structlog.get_logger(__name__)

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


class EventListener:
    """A thread that hears events through every failure; no work may depend on any of them.

    Args:
        app: the Celery application whose events they are.
        handlers: what is called with an event, by its type, or by ``*`` with those of every type.
    """

    def __init__(self, app: Celery, handlers: Mapping[str, Callable[[dict[str, Any]], object]]) -> None:
        self._app, self._handlers = app, dict(handlers)
        self._stopping = threading.Event()
        self._receiver: EventReceiver | None = None
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self, timeout_s: float = 5) -> None:
        """Stop, and take the listener's own queue away."""
        self._stopping.set()
        if self._receiver is not None:
            self._receiver.should_stop = True
        self._thread.join(timeout_s)

    def _run(self) -> None:
        pause_s = SHORTEST_PAUSE_S
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                with self._app.connection_for_read() as connection:
                    if not connection.supports_exchange_type("fanout"):
                        log.info("events_not_heard", reason="the transport carries no events; nothing depends on them")
                        return
                    self._capture(connection)
            except Exception as err:  # whatever it is, the next try may do better
                if time.monotonic() - started > LONGEST_PAUSE_S:
                    pause_s = SHORTEST_PAUSE_S
                unforeseen = not isinstance(err, ElastiqError | OSError)
                log.warning(
                    "events_lost", reason=f"{type(err).__name__}: {err}", retry_in_s=pause_s, exc_info=unforeseen
                )
                self._stopping.wait(pause_s)
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _capture(self, connection: Any) -> None:
        self._receiver = self._app.events.Receiver(connection, handlers=self._handlers)
        if not self._stopping.is_set():
            self._receiver.capture(limit=None, timeout=None, wakeup=False)
