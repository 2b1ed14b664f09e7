"""The events listener: workers say what became of an image as soon as they know, the autoscaler what it decides.

It only makes news of images quicker: while it is away, the feed's polling brings them. The monitor lives on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import structlog
from celery.events.receiver import EventReceiver

from app.domain import Classification, Failure
from tasks import app
from web.tier import Tier

log = structlog.get_logger(__name__)

CLASSIFIED, FAILED = "image-classified", "image-failed"
OF_THE_FLEET = (
    "scaling-decision",
    "swept",
    "worker-online",
    "worker-heartbeat",
    "worker-leaving",
    "worker-offline",
)
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class Listener:
    """A thread that hears Celery's events for as long as the process lives, through every failure.

    Args:
        tier: its feed is told what became of each image; its fleet, what is said of the fleet.
    """

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
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
                with app.connection_for_read() as connection:
                    if not connection.supports_exchange_type("fanout"):
                        log.info("events_not_heard", reason="the transport carries no events; results are polled for")
                        return
                    self._capture(connection)
            except Exception as err:  # whatever it is, the next try may do better, and polling goes on meanwhile
                if time.monotonic() - started > LONGEST_PAUSE_S:
                    pause_s = SHORTEST_PAUSE_S
                log.warning("events_lost", reason=f"{type(err).__name__}: {err}", retry_in_s=pause_s)
                self._stopping.wait(pause_s)
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _capture(self, connection: Any) -> None:
        handlers = {CLASSIFIED: self._outcome, FAILED: self._outcome, **dict.fromkeys(OF_THE_FLEET, self._fleet)}
        self._receiver = app.events.Receiver(connection, handlers=handlers)
        if not self._stopping.is_set():
            self._receiver.capture(limit=None, timeout=None, wakeup=False)

    def _outcome(self, event: dict[str, Any]) -> None:
        try:
            outcome = outcome_of(event)
        except (LookupError, TypeError) as err:
            log.warning("event_malformed", type=event.get("type"), reason=repr(err))
            return
        self._tier.feed.publish(outcome)
        self._tier.fleet.finished()
        self._tier.counts.count("images_classified" if isinstance(outcome, Classification) else "images_failed")

    def _fleet(self, event: dict[str, Any]) -> None:
        try:
            self._tier.fleet.hear(event)
        except (LookupError, TypeError, ValueError) as err:
            log.warning("event_malformed", type=event.get("type"), reason=repr(err))


def outcome_of(event: Mapping[str, Any]) -> Classification | Failure:
    """Return what an event says; Celery has added who sent it, and when.

    Raises:
        LookupError, TypeError: it is not an event as our workers send it.
    """
    kind = Classification if event["type"] == CLASSIFIED else Failure
    ours = {field.name: event[field.name] for field in fields(kind)}
    return Classification.from_json(ours) if kind is Classification else Failure(**ours)
