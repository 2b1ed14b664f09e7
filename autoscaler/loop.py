"""The loop: observe, decide, act, every few seconds. Whatever fails is logged, and the fleet is left as it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from app.errors import ElastiqError
from app.process.alive import AliveFile
from app.process.steps import each, repeat
from autoscaler.brakes import Brakes
from autoscaler.fleet import Fleet
from autoscaler.launching import Launcher
from autoscaler.memory.orphans import Found, Orphans
from autoscaler.observe import Observer
from autoscaler.policy import decide
from autoscaler.values import Limits, Observation, ScalingDecision

log = structlog.get_logger(__name__)

# Between two looks that fail, at most: as long as a count is good for.
LONGEST_PAUSE_S = 15.0


class Loop:
    """One step at a time of observe, decide, act.

    Args:
        observer: what it sees with.
        fleet: what it acts on, if it is elastic; otherwise it only tells what it would do.
        limits: what the policy decides within.
        leads: whether this autoscaler may act now; one that may not observes all the same, and so knows what to do at
            once when it may.
        tell: is told of every decision.
        keep: is told, at each step and when that is, which idle instances shall stay.
        brakes: tells of what holds launches back.
    """

    def __init__(
        self,
        observer: Observer,
        fleet: Fleet,
        limits: Limits,
        leads: Callable[[], bool] = lambda: True,
        tell: Callable[[Observation, ScalingDecision, Limits], object] = lambda *_: None,
        keep: Callable[[tuple[str, ...], datetime], object] = lambda *_: None,
        brakes: Brakes | None = None,
    ) -> None:
        self._observer, self._fleet, self._limits = observer, fleet, limits
        self._leads, self._tell, self._keep = leads, tell, keep
        self._orphans, self._launcher, self._brakes = Orphans(), Launcher(fleet, observer), brakes or Brakes()
        self._seen: Observation | None = None
        self._said = ""
        self._failed_looks = 0

    def run(self, wait: Callable[[float], bool], every_s: float, alive: AliveFile) -> None:
        """Take steps until ``wait`` says that it is over; an error that nobody foresaw costs its step alone.

        ``alive`` is touched after each step that came to its end, also one that only found that AWS does not answer: a
        new process would fare no better, and would have to learn rates and ages anew. A step that broke by an error
        that nobody foresaw does not touch it: a loop that does nothing but break is to be found unhealthy, so that
        whoever looks after the process can start it anew.

        Args:
            wait: waits so many seconds, and returns early whether it is over.
            every_s: seconds between two steps.
            alive: the sign that the loop goes on.
        """

        def step() -> None:
            self.step()
            alive.touch()

        repeat(step, wait, lambda: self._pause_s(every_s), name="autoscaler")

    def _pause_s(self, every_s: float) -> float:
        """Return the pause before the next step: longer while AWS does not answer, which may be for being asked."""
        longer_s = every_s * 2.0 ** min(max(0, self._failed_looks - 1), 10)
        return max(every_s, min(LONGEST_PAUSE_S, longer_s))

    def step(self) -> ScalingDecision | None:
        """Return the decision that was carried out; None when something failed, which is logged, or none may act.

        An error that is none of ours is told to those who follow the decisions, and raised.
        """
        try:
            self._failed_looks += 1
            self._seen = seen = self._observer.observe()
            self._failed_looks = 0
            self._brakes.look(seen, self._limits)
            if not self._leads():
                self._say_once(logging.INFO, "standing_by", "another autoscaler leads, or none can be known to")
                return None
            decision, orphans = self._decide(seen)
            self._act(seen, decision, orphans)
        except ElastiqError as err:
            self._say_once(logging.WARNING, "step_failed", str(err))
            self._tell_held(str(err))
            return None
        except Exception as err:
            self._tell_held(f"{type(err).__name__}: {err}")
            raise
        self._tell(seen, decision, self._limits)
        if decision.held:
            self._say_once(logging.WARNING, "held", decision.reason)
        else:
            self._said = ""
        return decision

    def _decide(self, seen: Observation) -> tuple[ScalingDecision, Found]:
        decision = decide(seen, self._limits)
        if not self._fleet.elastic:
            reason = f"{decision.reason}; watched only, nothing is started or stopped"
            return replace(decision, launch=0, drain=(), stay=(), reason=reason), Found()
        found = self._orphans.look(seen, self._limits)
        if decision.held and not decision.paused:
            return decision, Found()
        lost = tuple(instance.id for instance in found.lost)
        if lost:
            reason = f"{decision.reason}; not heard for too long and asked to leave: {', '.join(lost)}"
            decision = replace(decision, drain=(*decision.drain, *lost), reason=reason)
        return decision, found

    def _act(self, seen: Observation, decision: ScalingDecision, orphans: Found) -> None:
        """Do all that was decided, each part whatever became of the others."""
        each(
            lambda: self._end(orphans),
            lambda: self._drain(decision, orphans),
            lambda: self._launch(decision, seen),
            lambda: self._keep(decision.stay, seen.at),
        )

    def _end(self, orphans: Found) -> None:
        if orphans.stuck and self._leads():
            ids = [instance.id for instance in orphans.stuck]
            log.warning(
                "orphans_terminated", instances=ids, reason="they gave no sign for too long, and are still there"
            )
            self._fleet.terminate(ids)

    def _drain(self, decision: ScalingDecision, orphans: Found) -> None:
        if decision.drain and self._leads():
            log.info("drain_asked", instances=decision.drain, desired=decision.desired, reason=decision.reason)
            self._fleet.drain(decision.drain)
        if orphans.reminded and self._leads():
            ids = [instance.id for instance in orphans.reminded]
            log.info("drain_asked_again", instances=ids, reason="their workers go on")
            self._fleet.drain(ids)

    def _launch(self, decision: ScalingDecision, seen: Observation) -> None:
        if decision.launch and self._leads():
            came = self._launcher.launch(decision.launch, seen.at)
            log.info("scaled_out", launched=came, desired=decision.desired, had=len(seen.alive), reason=decision.reason)

    def _tell_held(self, reason: str) -> None:
        """Tell those who follow the decisions that this step came to nothing."""
        if self._seen is not None and self._leads():
            seen = replace(self._seen, at=self._observer.now())
            self._tell(seen, ScalingDecision(desired=len(seen.alive), reason=reason, held=True), self._limits)

    def _say_once(self, level: int, event: str, reason: str) -> None:
        """Log what lasts once, not at every step; the numbers in a reason change all the time and do not count."""
        said = event + "".join(letter for letter in reason if not letter.isdigit())
        if said != self._said:
            log.log(level, event, reason=reason)
        self._said = said
