"""Telling of what holds launches back: in the log, to CloudWatch, and in the output bucket for `elastiq status`."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import structlog

from app.brakes import KEY, Brake
from app.settings import Settings
from autoscaler.embedded import embedded
from autoscaler.record import Keeper, Record
from autoscaler.values import Limits, Observation

log = structlog.get_logger(__name__)

# CloudWatch's metrics have one value a minute.
AGAIN = timedelta(seconds=60)
METRICS = {Brake.BREAKER: "BreakerOpen", Brake.BUDGET: "BudgetUsedUp", Brake.SPOT: "SpotResting"}

_BEGINS = {
    Brake.BREAKER: (logging.ERROR, "breaker_open"),
    Brake.BUDGET: (logging.ERROR, "budget_used_up"),
    Brake.SPOT: (logging.WARNING, "spot_interrupted"),
}
_ENDS = {
    Brake.BREAKER: (logging.WARNING, "breaker_closed", "an instance came to work"),
    Brake.BUDGET: (logging.INFO, "budget_anew", "a new day has begun"),
    Brake.SPOT: (logging.INFO, "spot_again", "no instance was taken back for an hour"),
}


class Brakes:
    """Logs each as it begins and as it ends, and while any holds, once a minute, which do.

    Args:
        namespace: CloudWatch's, where the log is shipped there: then the minute's line has the metrics in it.
    """

    def __init__(self, namespace: str = "") -> None:
        self._namespace = namespace
        self._hold: tuple[Brake, ...] = ()
        self._told_at = datetime.min.replace(tzinfo=UTC)

    def look(self, seen: Observation, limits: Limits) -> None:
        """Tell of what has changed, and what holds."""
        before, self._hold = self._hold, seen.brakes(limits)
        for brake in self._hold:
            if brake not in before:
                level, event = _BEGINS[brake]
                budget = {"budget_h": limits.budget_h} if brake is Brake.BUDGET else {}
                log.log(level, event, reason=brake.says, **budget)
        for brake in before:
            if brake not in self._hold:
                level, event, reason = _ENDS[brake]
                log.log(level, event, reason=reason)
        if self._hold and self._namespace and seen.at - self._told_at >= AGAIN:
            self._told_at = seen.at
            log.info(
                "brakes_hold", **embedded({METRICS[brake]: 1 for brake in self._hold}, self._namespace, seen.at, "None")
            )


class Kept:
    """Keeps in the output bucket which hold; one autoscaler does so at a time, the leader.

    Args:
        settings: the output bucket.
        leader: the name of this autoscaler.
    """

    def __init__(self, settings: Settings, leader: str) -> None:
        self._keeper, self._leader = Keeper(Record(settings, KEY), "brakes_not_kept"), leader

    def note(self, hold: tuple[Brake, ...], at: datetime) -> None:
        """Write them if they are others than before."""
        self._keeper.keep({"brakes": list(hold), "at": at.timestamp(), "leader": self._leader}, hold)
