"""Hearing workers: their heartbeats and goodbyes, as Celery events, and the autoscaler's own events as an echo.

The echo, at least every ten seconds, tells a listener that is deaf from workers that are silent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from celery import Celery

from app.listener import EventListener
from autoscaler.values import Heard, Heartbeat, Voice

log = structlog.get_logger(__name__)

# What a worker says of itself; each of them has its counts.
ONLINE, HEARTBEAT, OFFLINE = "worker-online", "worker-heartbeat", "worker-offline"
# Where nothing is heard for so long, the own events included, something may have been missed.
GAP_S = 30.0
# Workers that were not heard for so long are forgotten.
FORGOTTEN_S = 3600.0


class Hearing:
    """What events tell, put together. Safe to share between threads.

    Args:
        full: images that a worker has in hand when it can take no more.
        clock: the time, UTC.
    """

    def __init__(self, full: int, clock: Callable[[], datetime]) -> None:
        self._full, self._clock = full, clock
        self._lock = threading.Lock()
        self._since: datetime | None = None
        self._at: datetime | None = None
        self._voices: dict[str, Voice] = {}
        self._heartbeats: list[Heartbeat] = []

    def begin(self) -> None:
        """Note that one begins to listen."""
        with self._lock:
            self._since = self._since or self._clock()

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take note of one event, of any kind."""
        now = self._clock()
        with self._lock:
            last = self._at or self._since
            if last is None or (now - last).total_seconds() > GAP_S:
                self._since = now
            self._at = now
            if event["type"] in (ONLINE, HEARTBEAT, OFFLINE):
                self._hear_worker(event, now)

    def known(self) -> Heard:
        """Return all that is known, but no heartbeats: those are left to `take`."""
        with self._lock:
            return self._heard()

    def take(self) -> Heard:
        """Return all that is known, and the heartbeats that came since the last call."""
        now = self._clock()
        with self._lock:
            self._voices = {
                instance: voice
                for instance, voice in self._voices.items()
                if (now - voice.at).total_seconds() < FORGOTTEN_S
            }
            heartbeats, self._heartbeats = self._heartbeats, []
            return self._heard(tuple(heartbeats))

    def nodes(self, instances: Iterable[str]) -> list[str]:
        """Return the node names of the workers on instances, as far as they were heard."""
        with self._lock:
            return [self._voices[instance].node for instance in instances if instance in self._voices]

    def _heard(self, heartbeats: tuple[Heartbeat, ...] = ()) -> Heard:
        worker_at = max((voice.at for voice in self._voices.values()), default=None)
        return Heard(
            since=self._since, at=self._at, worker_at=worker_at, voices=dict(self._voices), heartbeats=heartbeats
        )

    def _hear_worker(self, event: Mapping[str, Any], now: datetime) -> None:
        node, said_at = str(event["hostname"]), float(event["timestamp"])
        instance = node.partition("@")[0]
        active, begun = int(event["active"]), int(event["processed"])
        self._heartbeats.append(
            Heartbeat(instance, datetime.fromtimestamp(said_at, UTC), begun - active, active >= self._full)
        )
        before = self._voices.get(instance)
        # SQS keeps no order: a heartbeat may come after the goodbye.
        late = before is not None and said_at < before.said_at
        leaving = before.leaving if before and late else event["type"] == OFFLINE
        first_at = before.first_at if before and (leaving or not before.leaving) else now
        said_at = max(said_at, before.said_at if before else said_at)
        self._voices[instance] = Voice(node, first_at, now, said_at, leaving)


class Listener(EventListener):
    """Hears events of every type.

    Args:
        app: the Celery application of this system.
        hearing: is told of every event.
    """

    def __init__(self, app: Celery, hearing: Hearing) -> None:
        super().__init__(app, {"*": self._heard})
        self._hearing = hearing

    def start(self) -> None:
        """Begin to listen."""
        self._hearing.begin()
        super().start()

    def _heard(self, event: dict[str, Any]) -> None:
        try:
            self._hearing.hear(event)
        except (LookupError, TypeError, ValueError, OverflowError, OSError) as err:
            log.warning("event_malformed", type=event.get("type"), reason=repr(err))
