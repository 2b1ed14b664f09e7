"""The events listener: workers say what became of an image as soon as they know, and the feed passes it on.

It only makes news quicker. While it is away, the feed's polling brings them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import structlog
from celery.events.receiver import EventReceiver

from app.domain import Classification, Failure
from tasks import app
from web.live import Feed

log = structlog.get_logger(__name__)

CLASSIFIED, FAILED = "image-classified", "image-failed"
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0

T = TypeVar("T", Classification, Failure)


class Listener:
    """A thread that hears Celery's events for as long as the process lives, through every failure.

    Args:
        feed: is told what became of each image.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
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
            try:
                with app.connection_for_read() as connection:
                    if not connection.supports_exchange_type("fanout"):
                        log.info("events_not_heard", reason="the transport carries no events; results are polled for")
                        return
                    self._capture(connection)
                pause_s = SHORTEST_PAUSE_S
            except Exception as err:  # whatever it is, the next try may do better, and polling goes on meanwhile
                log.warning("events_lost", reason=f"{type(err).__name__}: {err}", retry_in_s=pause_s)
                self._stopping.wait(pause_s)
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _capture(self, connection: Any) -> None:
        handlers = {CLASSIFIED: self._classified, FAILED: self._failed}
        self._receiver = app.events.Receiver(connection, handlers=handlers)
        if not self._stopping.is_set():
            self._receiver.capture(limit=None, timeout=None, wakeup=False)

    def _classified(self, event: dict[str, Any]) -> None:
        self._feed.publish(Classification.from_json(_fields_of(Classification, event)))

    def _failed(self, event: dict[str, Any]) -> None:
        self._feed.publish(Failure(**_fields_of(Failure, event)))


def _fields_of(kind: type[T], event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event's part that is ours; Celery adds who sent it and when."""
    return {field.name: event[field.name] for field in fields(kind)}
