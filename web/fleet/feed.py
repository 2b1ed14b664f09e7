"""What the autoscaler and the workers say of themselves: the latest of each, and the last hour for the monitor.

It is made of events, so it may lag or miss one; no work depends on it. `web.events` tells it, and
`web.routes.monitor` shows it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from app.announcements import (
    ImageClassified,
    ImageFailed,
    Said,
    ScalingDecided,
    Swept,
    WorkerCounts,
    WorkerLeaving,
    WorkerOffline,
)
from app.hour.hour import Hour
from app.hour.sightings import Decision
from web.fleet import waiting
from web.fleet.sightings import Departure, Worker
from web.fleet.waiting import Heard
from web.http.bell import Bell

# Silence after which no autoscaler counts as there: it speaks every ten seconds at least.
HEARD_S = 30.0
# Workers speak every two seconds, or every thirty where their heartbeats are made fewer.
WORKER_S = 90.0
DEPARTURES = 20
TARGET_S = 60.0

Clock = Callable[[], float]
OfTheFleet = ScalingDecided | Swept | WorkerLeaving | WorkerCounts
Outcome = ImageClassified | ImageFailed


class FleetFeed:
    """What was heard of the fleet. Safe to share between threads.

    Args:
        clock: seconds since 1970. What is heard is dated by it: other hosts' clocks may be wrong.
        listens: whether anything will ever be heard.
        target_s: an image that waits longer is late.
    """

    def __init__(self, clock: Clock = time.time, *, listens: bool = True, target_s: float = TARGET_S) -> None:
        self._clock, self._listens = clock, listens
        self._began_at = clock()
        self._changed, self._bell = threading.Lock(), Bell()
        self._closed = False
        self._hour = Hour(target_s)
        self._heard_at: float | None = None  # first
        self._departures: deque[Departure] = deque(maxlen=DEPARTURES)
        self._workers: dict[str, Worker] = {}
        self._swept: tuple[Swept, float] | None = None

    def hear(self, said: Said) -> None:
        """Take note of what is said of the fleet and of images; anything else is passed over."""
        what, now = said.what, self._clock()
        if not isinstance(what, OfTheFleet | Outcome):
            return
        with self._changed:
            self._heard_at = now if self._heard_at is None else self._heard_at
            self._hour.hear(said, now)
            match what:
                case Swept():
                    self._swept = what, now
                case WorkerLeaving():
                    self._leaves(said, what, now)
                case WorkerCounts():
                    self._counted(said, what, now)
        if isinstance(what, OfTheFleet):  # images are too many to ring for each
            self._bell.ring()

    def adopt(self, kept: object) -> bool:
        """Take over what the autoscaler has kept of the hour; return whether that reaches to when this one listened.

        Raises:
            MalformedAnnouncement: it is no hour.
        """
        with self._changed:
            listened_at = self._clock() if self._heard_at is None else self._heard_at
            until = self._hour.adopt(kept, listened_at)
        self._bell.ring()
        return until >= listened_at

    def latest(self) -> ScalingDecided | None:
        """Return the newest decision, if it was heard within `HEARD_S`."""
        with self._changed:
            newest = self._hour.newest
        return newest.what if newest and _is_heard(newest, self._clock()) else None

    def waiting(self) -> waiting.Waiting:
        """Return what an image waits for."""
        return waiting.why(self._heard())

    def unseen(self) -> bool:
        """Return whether images that were queued just now wait for the autoscaler's next look, as far as is known.

        So it is where the worker that its last decision knows of has left since.
        """
        heard = self._heard()
        causes = waiting.Cause.UNSEEN, waiting.Cause.UNHEARD, waiting.Cause.WORKING
        return not heard.workers and waiting.why(heard).code in causes

    def _heard(self) -> Heard:
        with self._changed:
            now, newest = self._clock(), self._hour.newest
            there = [worker for worker in self._present(now) if worker.leaving is None]
        silent_s = now - (newest.until if newest else self._began_at)
        decision = newest.what if newest else None
        return Heard(len(there), decision, silent_s, HEARD_S, now, self._listens)

    def view(self) -> dict[str, Any]:
        """Return all that is known, as the API answers with."""
        with self._changed:
            return self._view(since=0)

    async def follow(self, pace_s: float, sign_of_life_s: float) -> AsyncGenerator[dict[str, Any], None]:
        """Yield `view`, then again with only the newer decisions and history, whenever there is news, until `close`.

        Args:
            pace_s: seconds between two at least; what comes meanwhile is told together.
            sign_of_life_s: seconds between two at most.
        """
        position, whole = 0, True
        while not self._closed:
            with self._changed:
                view = self._view(position)
                position = self._hour.position
            yield {**view, "whole": whole}
            whole = False
            await self._bell.wait_for(lambda: self._closed, pace_s)
            await self._bell.wait_for(partial(self._is_news, position), sign_of_life_s)

    def close(self) -> None:
        """End everyone's `follow`."""
        self._closed = True
        self._bell.ring()

    def _is_news(self, position: int) -> bool:
        return self._closed or self._hour.position != position

    def _leaves(self, said: Said, what: WorkerLeaving, now: float) -> None:
        self._departures.append(Departure(said.instance, what.why, now))
        known = self._workers.get(said.node)
        if known is not None:
            self._workers[said.node] = replace(known, leaving=what.why)

    def _counted(self, said: Said, counts: WorkerCounts, now: float) -> None:
        known = self._workers.pop(said.node, None)
        if not isinstance(counts, WorkerOffline):
            leaving = known.leaving if known else None
            self._workers[said.node] = Worker(said.instance, said.node, counts, now, leaving)
        for node in [node for node, old in self._workers.items() if now - old.heard_at > WORKER_S]:
            del self._workers[node]

    def _present(self, now: float) -> list[Worker]:
        return [worker for worker in self._workers.values() if now - worker.heard_at <= WORKER_S]

    def _view(self, since: int) -> dict[str, Any]:
        now = self._clock()
        newest = self._hour.newest
        workers = {worker.id: worker for worker in self._present(now)}
        instances = [
            {**instance, **_told_by(workers.pop(instance["id"], None))}
            for instance in (newest.instances() if newest else ())
        ]
        return {
            "now": now,
            "autoscaler": _state_of(newest, now),
            "decision": newest.to_json() if newest else None,
            "brakes": [brake.says for brake in newest.what.brakes] if newest and _is_heard(newest, now) else [],
            "instances": instances,
            "other_workers": [{"id": worker.id, **_told_by(worker)} for worker in workers.values()],
            "departures": [departure.to_json() for departure in reversed(self._departures)],
            "swept": {**asdict(self._swept[0]), "at": self._swept[1]} if self._swept else None,
            **self._hour.view(now, since),
        }


def _state_of(newest: Decision | None, now: float) -> dict[str, Any]:
    """Say in words whether an autoscaler is there."""
    if newest is None:
        return {"heard": False, "heard_at": None, "says": "no autoscaler heard yet"}
    if _is_heard(newest, now):
        return {"heard": True, "heard_at": newest.until, "says": "the autoscaler is at work"}
    says = f"no autoscaler heard for {now - newest.until:.0f} s; what is shown is older"
    return {"heard": False, "heard_at": newest.until, "says": says}


def _is_heard(newest: Decision, now: float) -> bool:
    return now - newest.until <= HEARD_S


def _told_by(worker: Worker | None) -> dict[str, Any]:
    """Return what a worker says of itself; all of it is there, None where no worker has been heard."""
    if worker is None:
        return {"hostname": None, "active": None, "processed": None, "leaving": None}
    return worker.to_json()
