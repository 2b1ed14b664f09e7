"""Telling others: announcements, and workers by remote control. Scaling never waits for who hears it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from celery import Celery

from app.announcements import ScalingDecided, Swept, clipped
from app.domain import STAY_COMMAND
from autoscaler.values import Limits, Observation, ScalingDecision

log = structlog.get_logger(__name__)

# What stays as it was is told again after so long; whoever came meanwhile then knows it.
AGAIN = {ScalingDecided.TYPE: timedelta(seconds=10), Swept.TYPE: timedelta(seconds=60)}

# An idle worker that shall stay does so for this long after it was told last: it leaves if no autoscaler is there.
STAYS, STAY_AGAIN = timedelta(seconds=120), timedelta(seconds=20)


class Announcer:
    """Sends events under the name of this autoscaler, from one thread.

    Args:
        app: the Celery application of this system.
        name: this autoscaler's.
    """

    def __init__(self, app: Celery, name: str) -> None:
        self._app, self._name = app, name
        self._dispatcher: Any = None
        self._told: dict[str, tuple[object, datetime]] = {}
        self._failing = False
        self._staying: tuple[frozenset[str], datetime] = frozenset(), datetime.min.replace(tzinfo=UTC)

    def decided(self, seen: Observation, decision: ScalingDecision, limits: Limits) -> None:
        """Announce a decision if it is another one, or the last is ten seconds old."""
        what = announcement(seen, decision, limits, self._name)
        states = tuple((instance.id, instance.state) for instance in what.fleet)
        flags = what.held, what.brakes
        self._send_if_due(what, (what.desired, what.launch, what.drain, flags, states), seen.at)

    def swept(self, swept: Swept, at: datetime) -> None:
        """Announce what the sweep has done if that is news, or the last is a minute old."""
        self._send_if_due(swept, swept, at)

    def ask_to_leave(self, nodes: Iterable[str]) -> None:
        """Ask workers, by their node names, to finish what they have and leave; one that has gone is passed over."""
        wanted = list(nodes)
        if wanted:
            self._try(lambda: self._app.control.shutdown(destination=wanted))

    def ask_to_stay(self, nodes: Iterable[str], at: datetime) -> None:
        """Ask workers, by their node names, not to leave though they are idle, if one is new or it is time again."""
        wanted = frozenset(nodes)
        told, told_at = self._staying
        if not wanted or (wanted <= told and at - told_at < STAY_AGAIN):
            return
        self._staying = wanted, at
        arguments = {"seconds": STAYS.total_seconds()}
        self._try(lambda: self._app.control.broadcast(STAY_COMMAND, arguments=arguments, destination=sorted(wanted)))

    def stop(self) -> None:
        """Send no more."""
        if self._dispatcher is not None:
            self._dispatcher.close()
            self._dispatcher.connection.release()

    def _send_if_due(self, what: ScalingDecided | Swept, news: object, at: datetime) -> None:
        """Send ``what``, unless the last of its kind had the same ``news`` and was of late."""
        told = self._told.get(what.TYPE)
        if told is None or told[0] != news or at - told[1] >= AGAIN[what.TYPE]:
            self._told[what.TYPE] = news, at
            self._try(lambda: self._send(what))

    def _send(self, what: ScalingDecided | Swept) -> None:
        if self._dispatcher is None:
            connection = self._app.connection_for_write()
            self._dispatcher = self._app.events.Dispatcher(connection, hostname=self._name, buffer_while_offline=False)
        self._dispatcher.send(what.TYPE, **what.to_event())

    def _try(self, send: Callable[[], object]) -> None:
        """Send, and log the first of a series of failures."""
        try:
            send()
        except Exception as err:  # whatever it is, scaling goes on
            if not self._failing:
                log.warning("announcing_failed", reason=f"{type(err).__name__}: {err}", now="scaling goes on")
            self._failing = True
        else:
            self._failing = False


def announcement(seen: Observation, decision: ScalingDecision, limits: Limits, leader: str) -> ScalingDecided:
    """Return what is announced of a decision."""
    return ScalingDecided(
        desired=decision.desired,
        launch=decision.launch,
        drain=decision.drain,
        held=decision.held,
        reason=clipped(decision.reason),
        policy=limits.policy,
        ceiling=limits.ceiling,
        leader=leader,
        depth=seen.depth,
        fleet=seen.fleet,
        oldest_s=seen.estimates.ages_s[0] if seen.estimates.ages_s else None,
        arrival_rate=seen.estimates.arrival_rate,
        service_rate=seen.estimates.service_rate,
        boot_s=seen.estimates.boot_s,
        breaker_open=seen.breaker_open,
        over_budget=seen.over_budget(limits),
        spot_resting=seen.spot_resting,
        spent_h=seen.spent_h,
        cost=seen.cost,
        budget_h=limits.budget_h,
    )
