"""Hearing workers: their heartbeats and goodbyes, as Celery events, and the autoscaler's own events as an echo.

The echo, at least every ten seconds, tells a listener that is deaf from workers that are silent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from celery import Celery

from app.announcements import NOTICE, ImageClassified, ImagesQueued, Said, WorkerCounts, WorkerLeaving, WorkerOffline
from app.domain import Life
from app.listener import EventListener
from autoscaler.values import Heard, Heartbeat, Voice

# Where nothing is heard for so long, the own events included, something may have been missed.
GAP_S = 30.0
# What a queue brings in another order is not older than this; a time before that is a clock that was set back.
LATE_S = 300.0
# Workers that were not heard for so long are forgotten.
FORGOTTEN_S = 3600.0
# That a host was taken back is known for so long.
INTERRUPTED_S = 3 * 3600.0


class Hearing:
    """What events tell, put together. Safe to share between threads.

    Args:
        full: images that a worker has in hand when it can take no more.
        clock: the time, UTC.
        interrupted: when hosts were taken back before, by instance.
    """

    def __init__(
        self, full: int, clock: Callable[[], datetime], interrupted: Mapping[str, datetime] | None = None
    ) -> None:
        self._full, self._clock = full, clock
        self._lock = threading.Lock()
        self._since: datetime | None = None
        self._at: datetime | None = None
        self._voices: dict[str, Voice] = {}
        self._heartbeats: list[Heartbeat] = []
        self._waits_s: list[float] = []
        self._interrupted = dict(interrupted or {})

    def begin(self) -> None:
        """Note that one begins to listen."""
        with self._lock:
            self._since = self._since or self._clock()

    def hear(self, said: Said) -> None:
        """Take note of one event, of any kind."""
        now = self._clock()
        with self._lock:
            last = self._at or self._since
            if last is None or (now - last).total_seconds() > GAP_S:
                self._since = now
            self._at = now
            if isinstance(said.what, WorkerCounts):
                self._hear_worker(said, said.what, now)
            elif isinstance(said.what, ImageClassified) and said.what.life:
                self._waits_s.extend(_waited_s(said.what.life))
            elif isinstance(said.what, WorkerLeaving) and said.what.why == NOTICE:
                kept = {id: at for id, at in self._interrupted.items() if (now - at).total_seconds() < INTERRUPTED_S}
                self._interrupted = {said.instance: now, **kept}

    def interrupted(self) -> dict[str, datetime]:
        """Return when workers of late said that EC2 takes their hosts back, by instance and this process's clock."""
        with self._lock:
            return dict(self._interrupted)

    def known(self) -> Heard:
        """Return all that is known, but no heartbeats or waits: those are left to `take`."""
        with self._lock:
            return self._heard()

    def take(self) -> Heard:
        """Return all that is known, and the heartbeats and waits that came since the last call."""
        now = self._clock()
        with self._lock:
            self._voices = {
                instance: voice
                for instance, voice in self._voices.items()
                if (now - voice.at).total_seconds() < FORGOTTEN_S
            }
            heartbeats, self._heartbeats = self._heartbeats, []
            waits_s, self._waits_s = self._waits_s, []
            return self._heard(tuple(heartbeats), tuple(waits_s))

    def nodes(self, instances: Iterable[str]) -> list[str]:
        """Return the node names of the workers on instances, as far as they were heard."""
        with self._lock:
            return [self._voices[instance].node for instance in instances if instance in self._voices]

    def _heard(self, heartbeats: tuple[Heartbeat, ...] = (), waits_s: tuple[float, ...] = ()) -> Heard:
        return Heard(
            since=self._since,
            at=self._at,
            worker_at=max((voice.at for voice in self._voices.values()), default=None),
            voices=dict(self._voices),
            heartbeats=heartbeats,
            waits_s=waits_s,
        )

    def _hear_worker(self, said: Said, counts: WorkerCounts, now: datetime) -> None:
        done, full = counts.processed - counts.active, counts.active >= self._full
        self._heartbeats.append(Heartbeat(said.instance, datetime.fromtimestamp(said.at, UTC), done, full))
        before = self._voices.get(said.instance)
        # SQS keeps no order: a heartbeat may come after the goodbye.
        late = before is not None and 0 < before.said_at - said.at <= LATE_S
        leaving = before.leaving if before and late else isinstance(counts, WorkerOffline)
        first_at = before.first_at if before and (leaving or not before.leaving) else now
        said_at = before.said_at if before and late else said.at
        self._voices[said.instance] = Voice(said.node, first_at, now, said_at, leaving)


def _waited_s(life: Life) -> list[float]:
    """Return how long an image waited, if its message came in its turn and the queue says when it was sent."""
    return [max(0.0, life.stored_at - life.queued_at)] if life.queued_at and life.receives == 1 else []


class Listener(EventListener):
    """Hears events of every type.

    Args:
        app: the Celery application of this system.
        hearing: is told of every event.
        also: is told of every event too.
        look: called where images were queued and no worker was heard.
    """

    def __init__(
        self,
        app: Celery,
        hearing: Hearing,
        also: Callable[[Said], object] = lambda _: None,
        look: Callable[[], object] = lambda: None,
    ) -> None:
        def hear(said: Said) -> None:
            hearing.hear(said)
            also(said)
            if isinstance(said.what, ImagesQueued):
                look()

        super().__init__(app, hear)
        self._hearing = hearing

    def start(self) -> None:
        """Begin to listen."""
        self._hearing.begin()
        super().start()
