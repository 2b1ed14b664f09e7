"""Finding instances that cost and do nothing: lost ones, and such as do not leave. Pure; it remembers whom it met.

In two phases: first they are asked to leave, as a worker that cannot be heard may be at work; then they are ended.
Nothing is concluded from silence unless what workers say arrives (`Observation.would_hear`), or nobody works at all
(`boots`). What the breaker wants gone is ended at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.domain import Instance, InstanceState
from autoscaler.values import Limits, Observation

# A worker tells of itself every two seconds; one that was heard and then is silent for so long is lost.
SILENT_LIMIT_S = 180.0
# How long an orphan that was asked to leave may take, and how long a worker, with what it has in hand.
ORPHAN_LEAVES_S, WORKER_LEAVES_S = 120.0, 600.0
# One that goes on telling of itself so long after it was asked has not heard that, and is asked again.
REMIND_S = 30.0
# What was ended and is still there is ended again after so long.
AGAIN_S = 30.0
# Within so many seconds something must have been heard, or everybody's silence is the listener's deafness.
HEARS_S = 30.0


@dataclass(frozen=True, slots=True)
class Found:
    """Whom to ask to leave, whom to remind of that, and whom to end."""

    lost: tuple[Instance, ...] = ()
    reminded: tuple[Instance, ...] = ()
    stuck: tuple[Instance, ...] = ()


@dataclass(slots=True)
class Orphans:
    """Looks at one observation after the other."""

    _asked_at: dict[str, datetime] = field(default_factory=dict)
    _reminded_at: dict[str, datetime] = field(default_factory=dict)
    _lost: set[str] = field(default_factory=set)
    _ended_at: dict[str, datetime] = field(default_factory=dict)

    def look(self, seen: Observation, limits: Limits) -> Found:
        """Return what is to be done about instances that are lost, or do not leave.

        Args:
            seen: the fleet, and what was heard.
            limits: how long a boot may take.
        """
        draining = [instance for instance in seen.fleet if instance.state is InstanceState.DRAINING]
        self._note(draining, seen.at)
        surplus = seen.failed_boots.surplus if seen.failed_boots else ()
        lost = tuple(
            instance for instance in seen.alive if instance.id not in surplus and _is_lost(instance, seen, limits)
        )
        self._lost.update(instance.id for instance in lost)
        reminded = tuple(instance for instance in draining if self._goes_on(instance, seen))
        self._reminded_at.update({instance.id: seen.at for instance in reminded})
        stuck = [instance for instance in seen.fleet if instance.id in surplus or self._is_stuck(instance, seen)]
        return Found(lost, reminded, self._due(stuck, seen))

    def _due(self, stuck: list[Instance], seen: Observation) -> tuple[Instance, ...]:
        """Return those of ``stuck`` that were not ended a moment ago."""
        due = tuple(
            one for one in stuck if one.id not in self._ended_at or seen.age_s(self._ended_at[one.id]) > AGAIN_S
        )
        there = {instance.id for instance in seen.fleet}
        kept = {id: at for id, at in self._ended_at.items() if id in there}
        self._ended_at = {**kept, **{instance.id: seen.at for instance in due}}
        return due

    def _note(self, draining: list[Instance], at: datetime) -> None:
        ids = {instance.id for instance in draining}
        self._asked_at = {id: self._asked_at.get(id, at) for id in ids}
        self._reminded_at = {id: self._reminded_at.get(id, at) for id in ids}
        self._lost &= ids

    def _goes_on(self, instance: Instance, seen: Observation) -> bool:
        asked_s = seen.age_s(self._reminded_at[instance.id])
        return asked_s > REMIND_S and instance.heard_at is not None and seen.unheard_s(instance) < REMIND_S / 2

    def _is_stuck(self, instance: Instance, seen: Observation) -> bool:
        if instance.id not in self._asked_at:
            return False
        limit_s = ORPHAN_LEAVES_S if instance.id in self._lost else WORKER_LEAVES_S
        asked_s = seen.age_s(self._asked_at[instance.id])
        if instance.id in seen.given_up:
            return asked_s > limit_s
        return min(asked_s, seen.unheard_s(instance)) > limit_s and seen.would_hear(instance, HEARS_S)


def _is_lost(instance: Instance, seen: Observation, limits: Limits) -> bool:
    if instance.id in seen.given_up:
        # The breaker's probe has its own time.
        return seen.failed_boots is None or seen.failed_boots.probe != instance.id
    limit_s = seen.boot_limit_s(limits) if instance.heard_at is None else SILENT_LIMIT_S
    return seen.unheard_s(instance) > limit_s and seen.would_hear(instance, HEARS_S)
