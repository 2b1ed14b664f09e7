"""Telling instances that came to work from those that did not, and when none may be believed in any more. Pure.

A boot has failed if its instance ended before it proved itself, or gave no sign for a boot limit. Three in a row, or
one while nobody gives a sign, trip the breaker: then one instance at a time is a probe, and the first to prove itself
closes it. It remembers what it was told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain import Instance, InstanceState, QueueDepth
from autoscaler.values import SLOW_BOOTS, FailedBoots, Heard

# A worker that never leaves by itself has proved itself after half of this.
LONG_ENOUGH_S = 60.0
# Failures in a row that trip the breaker.
FAILURES = 3
# A probe may take so many boot limits: the limit itself may be what is wrong.
PROBE_LIMITS = 2.0


def shortest_life_s(idle_s: float) -> float:
    """Return how many seconds a worker that has nothing to do is there at least.

    Args:
        idle_s: seconds without work after which a worker leaves by itself; 0: never.
    """
    return min(idle_s or LONG_ENOUGH_S, LONG_ENOUGH_S)


@dataclass(slots=True)
class _Boot:
    """An instance as it was seen last, and what its boot came to.

    Attributes:
        instance: as it was seen last.
        heard_at: when its worker was first heard.
        proven: whether it did an image, stayed for a while, or said goodbye.
        failed: whether it was counted as failed.
        condemned: whether it is to be ended.
    """

    instance: Instance
    heard_at: datetime | None = None
    proven: bool = False
    failed: bool = False
    condemned: bool = False


@dataclass(slots=True)
class Boots:
    """Counts the boots in a row that failed, and keeps the breaker.

    Args:
        shortest_life_s: no worker leaves by its own will before this many seconds.
        boot_limit_s: an instance that gives no sign for so long has failed to boot.
        leaves: whether a worker without work leaves by itself.
        failed: those in a row, if there are any.
        given_up: the ids of the instances that gave no sign for a boot limit.
    """

    shortest_life_s: float
    boot_limit_s: float = 300.0
    leaves: bool = True
    failed: FailedBoots | None = None
    given_up: frozenset[str] = frozenset()
    _known: dict[str, _Boot] = field(default_factory=dict)
    _worked_at: datetime | None = None
    _outstanding: int = 0

    def see(
        self, fleet: tuple[Instance, ...], now: datetime, depth: QueueDepth, heard: Heard, boot_s: float | None = None
    ) -> tuple[Instance, ...]:
        """Take note of the fleet as it is ``now``; return the instances that have gone since the last look.

        Args:
            fleet: the instances, launched by one's own clock.
            now: the time.
            depth: SQS's counts: what is in flight, or has been done to the last, shows that somebody works.
            heard: what workers say.
            boot_s: seconds to boot, as far as measured.
        """
        works = depth.in_flight > 0 or (self._outstanding > 0 and not depth.total)
        self._outstanding = depth.total
        self._worked_at = now if works else self._worked_at
        there = {instance.id: instance for instance in fleet}
        gone = [boot for id, boot in self._known.items() if id not in there]
        self._known = {id: replace(self._known.get(id) or _Boot(one), instance=one) for id, one in there.items()}
        for boot in gone:
            self._end(boot, now, heard)
        limit_s = max(self.boot_limit_s, SLOW_BOOTS * (boot_s or 0.0))
        self._give_up(now, heard, depth, limit_s)
        proved = self._prove(heard)
        unheard = not any(boot.heard_at for boot in self._known.values())
        if proved or (works and unheard and not self._somebody_is_heard(now, heard)):
            self.failed = None
        self._keep(now, limit_s)
        return tuple(boot.instance for boot in gone)

    def launched(self, instances: Iterable[Instance]) -> None:
        """Take note of instances that may be gone before the next look."""
        self._known.update({instance.id: _Boot(instance) for instance in instances})

    def _end(self, boot: _Boot, now: datetime, heard: Heard) -> None:
        """Judge an instance that is no more."""
        voice = heard.voices.get(boot.instance.id)
        left = boot.instance.state is InstanceState.DRAINING or (voice is not None and voice.leaving)
        if boot.proven or boot.condemned or (left and not boot.failed):
            return
        if boot.heard_at is not None or self._may_judge(boot.instance, boot.instance.launched_at, heard):
            self._fail(boot, now)

    def _give_up(self, now: datetime, heard: Heard, depth: QueueDepth, limit_s: float) -> None:
        """Find the instances that gave no sign for a boot limit."""
        judged = heard.since is not None or depth.total > 0 or self.leaves
        silent = {
            id
            for id, boot in self._known.items()
            if judged and boot.heard_at is None and boot.instance.heard_at is None
            if (now - boot.instance.launched_at).total_seconds() > limit_s
            if self._may_judge(boot.instance, max(boot.instance.launched_at, now - timedelta(seconds=limit_s)), heard)
        }
        self.given_up = frozenset(silent)
        for boot in (self._known[id] for id in silent):
            if not boot.failed:
                self._fail(boot, now)

    def _may_judge(self, instance: Instance, since: datetime, heard: Heard) -> bool:
        """Return whether an instance's silence means something.

        It does if some worker was heard since its launch; where none was, if nobody has worked ``since``.
        """
        if heard.worker_at is not None and heard.worker_at >= instance.launched_at:
            return True
        return self._worked_at is None or self._worked_at < since

    def _prove(self, heard: Heard) -> bool:
        """Note who is heard, and return whether somebody has just proved itself."""
        worked = {beat.instance for beat in heard.heartbeats if beat.done > 0}
        proved = False
        for id, boot in self._known.items():
            heard_at = boot.instance.heard_at
            if heard_at is None:
                continue
            boot.heard_at = boot.heard_at or heard_at
            stayed = (heard_at - boot.heard_at).total_seconds() >= self.shortest_life_s / 2
            if not boot.proven and (id in worked or stayed or boot.instance.state is InstanceState.DRAINING):
                boot.proven = proved = True
        return proved

    def _somebody_is_heard(self, now: datetime, heard: Heard) -> bool:
        return heard.worker_at is not None and (now - heard.worker_at).total_seconds() < self.boot_limit_s

    def _fail(self, boot: _Boot, now: datetime) -> None:
        failed = self.failed or FailedBoots(0, now)
        probes = failed.probes + (failed.tripped_at is not None and failed.probe in ("", boot.instance.id))
        boot.failed = True
        self.failed = replace(failed, in_a_row=failed.in_a_row + 1, last_at=now, probes=probes)

    def _keep(self, now: datetime, limit_s: float) -> None:
        """Trip the breaker if it is time, and see to its probe."""
        failed = self.failed
        waiting = [boot for boot in self._known.values() if not boot.proven and boot.instance.heard_at is None]
        nobody = bool(self.given_up) and len(waiting) == len(self._known)
        if failed is None or (failed.tripped_at is None and failed.in_a_row < FAILURES and not nobody):
            return
        if failed.tripped_at is None:
            failed = replace(failed, tripped_at=now)
        for boot in waiting if nobody else [self._known[id] for id in self.given_up]:
            boot.condemned = True
        probe = self._probe(failed, now, limit_s)
        probes, last_at = failed.probes, failed.last_at
        if failed.probe in self._known and probe != failed.probe and not self._known[failed.probe].proven:
            probes, last_at = probes + 1, now  # its time is up
        surplus = tuple(id for id, boot in self._known.items() if boot.condemned)
        self.failed = replace(failed, probe=probe, probes=probes, last_at=last_at, surplus=surplus)

    def _probe(self, failed: FailedBoots, now: datetime, limit_s: float) -> str:
        """Return the instance that is waited for, the one launched first; empty: none."""
        young = [
            boot
            for boot in self._known.values()
            if not boot.proven and (now - boot.instance.launched_at).total_seconds() <= PROBE_LIMITS * limit_s
        ]
        if not young:
            return ""
        kept = self._known.get(failed.probe)
        probe = kept if kept in young else min(young, key=lambda boot: (boot.instance.launched_at, boot.instance.id))
        probe.condemned = False
        return probe.instance.id
