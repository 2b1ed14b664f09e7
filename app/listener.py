"""Listening to Celery's events, for as long as a process lives."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from celery.events.receiver import EventReceiver

from app.announcements import Said
from app.errors import ElastiqError, MalformedAnnouncement

log = structlog.get_logger(__name__)

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
# So many lines about odd events are logged within a span of time; the others are counted.
LINES, SPAN_S = 10, 60.0
# What is shown of a type that may be anything.
SHOWN = 64


class EventListener:
    """A thread that hears events through every failure; no work may depend on any of them.

    Args:
        app: the Celery application whose events they are.
        hear: is called with every event that can be read.
    """

    def __init__(self, app: Celery, hear: Callable[[Said], object]) -> None:
        self._app, self._reader = app, Reader(hear)
        # One name for life: whoever begins anew goes on with the queue that it had.
        self._name = uuid.uuid4().hex
        self._stopping = threading.Event()
        self._receiver: EventReceiver | None = None
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self, timeout_s: float = 5) -> None:
        """Stop; the listener's own queue goes with the process."""
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
        self._receiver = _Receiver(connection, self._app, self._name, self._reader)
        if not self._stopping.is_set():
            self._receiver.capture(limit=None, timeout=None, wakeup=False)


class Reader:
    """Reads events for a handler. Whatever a single one does, it costs a line in the log, and the next one is read.

    Args:
        hear: is called with every event that can be read.
        clock: seconds, monotonic.
    """

    def __init__(self, hear: Callable[[Said], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._hear = hear
        self._malformed, self._unhandled = _Sparing(clock), _Sparing(clock)

    def read(self, body: object) -> None:
        """Read what one message carries: an event, or a list of them."""
        for event in body if isinstance(body, list) else [body]:
            try:
                self._hear(Said.of(event))
            except MalformedAnnouncement as err:
                self.malformed(_type_of(event), str(err))
            except Exception:  # a defect of ours must not end the listening
                self._unhandled.say(log.exception, "event_unhandled", type=_type_of(event))

    def malformed(self, type: str | None, reason: str) -> None:
        """Say that something came that is no event, or none as ours are."""
        self._malformed.say(log.warning, "event_malformed", type=type, reason=reason)


class _Receiver(EventReceiver):  # type: ignore[misc]  # Celery is untyped
    """Celery's receiver, but that a `Reader` reads what comes.

    Celery's own reading ends at the first odd event, and lets any event set this process's logical clock.
    """

    def __init__(self, connection: Any, app: Celery, name: str, reader: Reader) -> None:
        super().__init__(connection, app=app, node_id=name)
        self._reader = reader

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Any]:
        read = [lambda body, message: self._reader.read(body)]
        return [Consumer(queues=[self.queue], callbacks=read, no_ack=True, accept=self.accept)]

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._reader.malformed(None, f"its message cannot be decoded: {type(exc).__name__}")


class _Sparing:
    """Logs so many lines within a span of time, and with the next how many were left out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since, self._lines, self._left_out = float("-inf"), 0, 0

    def say(self, say: Callable[..., object], event: str, **fields: object) -> None:
        """Log a line with ``say``, or count it."""
        now = self._clock()
        if now - self._since >= SPAN_S:
            self._since, self._lines = now, 0
        if self._lines == LINES:
            self._left_out += 1
            return
        say(event, **fields, left_out=self._left_out)
        self._lines, self._left_out = self._lines + 1, 0


def _type_of(event: object) -> str | None:
    """Return an event's type as far as it has one that can be shown."""
    kind = event.get("type") if isinstance(event, dict) else None
    return kind[:SHOWN] if isinstance(kind, str) else None
