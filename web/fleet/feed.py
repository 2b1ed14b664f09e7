"""What the autoscaler and the workers say of themselves: the latest of each, and a quarter of an hour for the monitor.

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

from app.announcements import Said, ScalingDecided, Swept, WorkerCounts, WorkerLeaving, WorkerOffline
from web.fleet import waiting
from web.fleet.sightings import Decision, Departure, Sample, Worker
from web.fleet.waiting import Heard
from web.http.bell import Bell

# Silence after which no autoscaler counts as there: it speaks every ten seconds at least.
HEARD_S = 30.0
# Workers speak every two seconds, or every thirty where their heartbeats are made fewer.
WORKER_S = 90.0
DECISIONS, DEPARTURES = 100, 20
# What the picture over time shows, and the width of one point in it, in seconds.
HISTORY_S, SAMPLE_S = 900.0, 5.0

Clock = Callable[[], float]
OfTheFleet = ScalingDecided | Swept | WorkerLeaving | WorkerCounts


class FleetFeed:
    """What was heard of the fleet. Safe to share between threads.

    Args:
        clock: seconds since 1970. What is heard is dated by it: other hosts' clocks may be wrong.
        listens: whether anything will ever be heard.
    """

    def __init__(self, clock: Clock = time.time, *, listens: bool = True) -> None:
        self._clock, self._listens = clock, listens
        self._began_at = clock()
        self._changed, self._bell = threading.Lock(), Bell()
        self._closed = False
        self._position = 0
        # Each with the position at which it was news.
        self._decisions: deque[tuple[int, Decision]] = deque(maxlen=DECISIONS)
        self._history: deque[tuple[int, Sample]] = deque(maxlen=int(HISTORY_S / SAMPLE_S))
        self._departures: deque[Departure] = deque(maxlen=DEPARTURES)
        self._workers: dict[str, Worker] = {}
        self._swept: tuple[Swept, float] | None = None
        self._finished = 0

    def hear(self, said: Said) -> None:
        """Take note of what is said of the fleet; anything else is passed over."""
        what, now = said.what, self._clock()
        if not isinstance(what, OfTheFleet):
            return
        with self._changed:
            self._position += 1
            match what:
                case ScalingDecided():
                    self._decided(Decision(now, now, said.at, what))
                case Swept():
                    self._swept = what, now
                case WorkerLeaving():
                    self._leaves(said, what, now)
                case _:
                    self._counted(said, what, now)
        self._bell.ring()

    def finished(self) -> None:
        """Take note that an image has got its outcome."""
        with self._changed:
            self._finished += 1

    def latest(self) -> ScalingDecided | None:
        """Return the newest decision, if it was heard within `HEARD_S`."""
        with self._changed:
            newest = self._newest()
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
            now, newest = self._clock(), self._newest()
            there = [worker for worker in self._present(now) if worker.leaving is None]
        silent_s = now - (newest.until if newest else self._began_at)
        decision = newest.what if newest else None
        return Heard(len(there), decision, silent_s, HEARD_S, self._listens)

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
                position = self._position
            yield {**view, "whole": whole}
            whole = False
            await self._bell.wait_for(lambda: self._closed, pace_s)
            await self._bell.wait_for(partial(self._is_news, position), sign_of_life_s)

    def close(self) -> None:
        """End everyone's `follow`."""
        self._closed = True
        self._bell.ring()

    def _is_news(self, position: int) -> bool:
        return self._closed or self._position != position

    def _decided(self, decision: Decision) -> None:
        last = self._newest()
        if last is not None and decision.came_late(last):
            return
        if last is not None and last.says_the_same_as(decision):
            self._decisions.pop()
            decision = last.again(decision)
        self._decisions.append((self._position, decision))
        sample = Sample.of(decision, self._finished)
        if self._history and self._history[-1][1].bin(SAMPLE_S) == sample.bin(SAMPLE_S):
            self._history.pop()
        self._history.append((self._position, sample))

    def _newest(self) -> Decision | None:
        return self._decisions[-1][1] if self._decisions else None

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
        newest = self._newest()
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
            "decisions": [one.summary() for at, one in reversed(self._decisions) if at > since],
            "history": [one.to_json() for at, one in self._history if at > since and one.at >= now - HISTORY_S],
        }


def _state_of(newest: Decision | None, now: float) -> dict[str, Any]:
    """Say in words whether an autoscaler is there."""
    if newest is None:
        return {"heard": False, "heard_at": None, "says": "no autoscaler heard yet"}
    if _is_heard(newest, now):
        return {"heard": True, "heard_at": newest.until, "says": f"decided by {newest.what.leader}"}
    says = f"no autoscaler heard for {now - newest.until:.0f} s; what is shown is older"
    return {"heard": False, "heard_at": newest.until, "says": says}


def _is_heard(newest: Decision, now: float) -> bool:
    return now - newest.until <= HEARD_S


def _told_by(worker: Worker | None) -> dict[str, Any]:
    """Return what a worker says of itself; all of it is there, None where no worker has been heard."""
    if worker is None:
        return {"hostname": None, "active": None, "processed": None, "leaving": None}
    return worker.to_json()
