"""The last hour and what batches cost, kept in the output bucket beside the lease.

A web process that starts begins with it, and so does the next autoscaler. Whatever fails is logged; then each begins
with what it hears itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from app.announcements import CallsMade, ImageClassified, ImageFailed, Said, batches_of
from app.domain import BatchCost, FleetCost
from app.errors import ElastiqError, MalformedAnnouncement
from app.fields import Fields
from app.hour.hour import KEY, Hour
from app.hour.shares import Shares
from app.settings import Settings
from autoscaler.record import Keeper, Record

log = structlog.get_logger(__name__)

EVERY_S = 60.0


class Chronicle:
    """Hears what is announced, and writes it down once a minute while there is news. Safe to share between threads.

    Args:
        settings: the output bucket, and the target.
        name: this autoscaler's.
        clock: seconds since 1970.
    """

    def __init__(self, settings: Settings, name: str, clock: Callable[[], float] = time.time) -> None:
        self._name, self._clock = name, clock
        self._record = Record(settings, KEY)
        self._keeper = Keeper(self._record, "hour_not_kept", every_s=EVERY_S, kept=0)
        self._lock = threading.Lock()
        self._hour, self._shares = Hour(settings.autoscaler.target_s), Shares()

    def begin(self) -> None:
        """Take over what was kept before."""
        try:
            if kept := self._record.read():
                now = self._clock()
                with self._lock:
                    self._hour.adopt(kept, now)
                    self._shares.learn(batches_of(Fields(kept).maybe_parts("batches")), now)
        except (ElastiqError, MalformedAnnouncement) as err:
            log.warning("hour_unknown", reason=str(err))

    def hear(self, said: Said) -> None:
        """Take note of one event, of any kind."""
        with self._lock:
            self._hour.hear(said, self._clock())
            if isinstance(said.what, ImageClassified | ImageFailed):
                self._shares.finished(said.what.outcome.key)
            elif isinstance(said.what, CallsMade):
                self._shares.called(said.node, said.what.calls)

    def share(self, cost: FleetCost, *, idle: bool) -> tuple[BatchCost, ...]:
        """Share out what was spent; return the batches whose costs have changed of late.

        Args:
            cost: what the fleet costs.
            idle: whether nothing waits.
        """
        now = self._clock()
        with self._lock:
            self._shares.called(self._name, cost.calls)
            self._shares.spent(self._name, cost, now, idle=idle)
            return self._shares.lately(now)

    def note(self) -> None:
        """Write it down if there is news and a minute is over; one autoscaler does so at a time, the leader."""
        if self._keeper.due(self._hour.news, self._clock()):
            self._keeper.keep(*self._all())

    def stop(self) -> None:
        """Write down what is news, whenever it was written last."""
        if self._keeper.due(self._hour.news, math.inf):
            self._keeper.keep(*self._all()[:2], math.inf)

    def _all(self) -> tuple[dict[str, Any], int, float]:
        """Return what is written, how much news is in it, and the time."""
        now = self._clock()
        with self._lock:
            return {**self._hour.to_json(now), "batches": self._shares.to_json()}, self._hour.news, now
