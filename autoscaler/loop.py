"""The loop: observe, decide, act, every few seconds. Whatever fails is logged, and the fleet is left as it is."""

from __future__ import annotations

import signal
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.domain import Limits, Observation, ScalingDecision
from app.errors import ConfigurationError, ElastiqError
from app.settings import Settings
from app.signals import StopSignals
from autoscaler import sweep
from autoscaler.fleet import Fleet, NoRoom, make_fleet
from autoscaler.observe import Observer
from autoscaler.policy import POLICIES, decide

log = structlog.get_logger(__name__)

UNSETTLED = timedelta(minutes=5)


def run(settings: Settings) -> None:
    """Keep the fleet as large as the queue needs, until SIGTERM or SIGINT; the instances live on.

    Raises:
        ConfigurationError: there is no policy of the name that ELASTIQ_POLICY gives.
    """
    if settings.policy not in POLICIES:
        raise ConfigurationError(f"ELASTIQ_POLICY={settings.policy!r} must be one of: {', '.join(POLICIES)}")
    stop = StopSignals(signal.SIGTERM, signal.SIGINT)
    fleet = make_fleet(settings)
    loop = Loop(Observer(settings, fleet), fleet, Limits(settings.max_instances, settings.policy))
    log.info("autoscaler_started", policy=settings.policy, ceiling=settings.max_instances, fleet=type(fleet).__name__)
    stopped = threading.Event()
    sweep.start(settings, stopped)
    while not stop.count:
        loop.step()
        stop.wait(settings.observe_s)
    stopped.set()
    log.info("autoscaler_stopped")


@dataclass(frozen=True, slots=True)
class _Launch:
    count: int
    token: str
    at: datetime


class Loop:
    """One step at a time of observe, decide, act.

    Args:
        observer: what it sees with.
        fleet: what it acts on.
        limits: what the policy decides within.
    """

    def __init__(self, observer: Observer, fleet: Fleet, limits: Limits) -> None:
        self._observer, self._fleet, self._limits = observer, fleet, limits
        self._unsettled: _Launch | None = None
        self._said = ""

    def step(self) -> ScalingDecision | None:
        """Return the decision that was carried out; None when something failed, which is logged."""
        try:
            seen = self._observer.observe()
            decision = decide(seen, self._limits)
            self._act(seen, decision)
        except ElastiqError as err:
            self._say_once("step_failed", str(err))
            return None
        if decision.held:
            self._say_once("held", decision.reason)
        else:
            self._said = ""
        return decision

    def _act(self, seen: Observation, decision: ScalingDecision) -> None:
        if decision.launch:
            came = self._launch(decision.launch, seen.at)
            log.info("scaled_out", launched=came, desired=decision.desired, had=len(seen.alive), reason=decision.reason)
        if decision.drain:
            self._fleet.drain(decision.drain)
            log.info("drain_asked", instances=decision.drain, desired=decision.desired, reason=decision.reason)

    def _launch(self, count: int, at: datetime) -> list[str]:
        """Launch, under the old token while it is unknown what the last launch did: nothing is launched twice.

        The old launch asks for the old count, which cannot break the ceiling, as nothing else is launched before it is
        settled. After a while the fleet's own list has told what it did.
        """
        if self._unsettled is None or at - self._unsettled.at > UNSETTLED:
            self._unsettled = _Launch(count, uuid.uuid4().hex, at)
        launch = self._unsettled
        try:
            came = self._fleet.launch(launch.count, launch.token)
        except (NoRoom, ConfigurationError) as err:
            self._unsettled = None
            self._observer.refused(str(err))
            raise
        self._unsettled = None
        self._observer.launched(came)
        return [instance.id for instance in came]

    def _say_once(self, event: str, reason: str) -> None:
        """Log what lasts once, not at every step; the numbers in a reason change all the time and do not count."""
        said = event + "".join(letter for letter in reason if not letter.isdigit())
        if said != self._said:
            log.warning(event, reason=reason)
        self._said = said
