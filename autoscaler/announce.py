"""Telling others: decisions as Celery events, and workers by remote control. Scaling never waits for who hears it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import Celery

from autoscaler.values import Limits, Observation, ScalingDecision

log = structlog.get_logger(__name__)

DECISION, SWEPT = "scaling-decision", "swept"
# What stays as it was is told again after so long; whoever came meanwhile then knows it.
AGAIN = {DECISION: timedelta(seconds=10), SWEPT: timedelta(seconds=60)}


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

    def decided(self, seen: Observation, decision: ScalingDecision, limits: Limits) -> None:
        """Send ``scaling-decision`` if it is another one, or the last is ten seconds old."""
        states = tuple((instance.id, instance.state) for instance in seen.fleet)
        telling = (decision.desired, decision.launch, decision.drain, decision.held, states)
        if self._is_due(DECISION, telling, seen.at):
            self._send(DECISION, fields(seen, decision, limits, self._name))

    def swept(self, counts: dict[str, int], at: datetime) -> None:
        """Send ``swept`` if the counts are others, or the last is a minute old."""
        if self._is_due(SWEPT, counts, at):
            self._send(SWEPT, counts)

    def ask_to_leave(self, nodes: Iterable[str]) -> None:
        """Ask workers, by their node names, to finish what they have and leave; one that has gone is passed over."""
        wanted = list(nodes)
        if wanted:
            self._try(lambda: self._app.control.shutdown(destination=wanted))

    def stop(self) -> None:
        """Send no more."""
        if self._dispatcher is not None:
            self._dispatcher.close()
            self._dispatcher.connection.release()

    def _is_due(self, event: str, telling: object, at: datetime) -> bool:
        told = self._told.get(event)
        if told is not None and told[0] == telling and at - told[1] < AGAIN[event]:
            return False
        self._told[event] = telling, at
        return True

    def _send(self, event: str, said: dict[str, Any]) -> None:
        def send() -> None:
            if self._dispatcher is None:
                connection = self._app.connection_for_write()
                self._dispatcher = self._app.events.Dispatcher(
                    connection, hostname=self._name, buffer_while_offline=False
                )
            self._dispatcher.send(event, **said)

        self._try(send)

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


def fields(seen: Observation, decision: ScalingDecision, limits: Limits, leader: str) -> dict[str, Any]:
    """Return what ``scaling-decision`` carries; times are seconds since 1970, None is unknown."""
    return {
        "desired": decision.desired,
        "launch": decision.launch,
        "drain": list(decision.drain),
        "held": decision.held,
        "reason": decision.reason,
        "policy": limits.policy,
        "ceiling": limits.ceiling,
        "leader": leader,
        "depth": {
            "visible": seen.depth.visible,
            "in_flight": seen.depth.in_flight,
            "delayed": seen.depth.delayed,
        },
        "fleet": [
            {
                "id": instance.id,
                "state": instance.state.value,
                "launched_at": instance.launched_at.timestamp(),
                "heard_at": instance.heard_at.timestamp() if instance.heard_at else None,
            }
            for instance in seen.fleet
        ],
        "oldest_s": seen.estimates.ages_s[0] if seen.estimates.ages_s else None,
        "arrival_rate": seen.estimates.arrival_rate,
        "service_rate": seen.estimates.service_rate,
        "boot_s": seen.estimates.boot_s,
    }
