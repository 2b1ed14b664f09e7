"""The autoscaler as a process: its parts, put together, from its start to its end."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from app.announcements import Said
from app.errors import ConfigurationError
from app.process import tracing
from app.process.alive import AliveFile
from app.process.clock import SteadyClock
from app.process.signals import StopSignals
from app.settings import Settings
from autoscaler.announce import Announcer, announcement
from autoscaler.brakes import Brakes, Kept
from autoscaler.chronicle import Chronicle
from autoscaler.figures import Figures
from autoscaler.fleet import make_fleet
from autoscaler.leader import Leader
from autoscaler.listen import Hearing, Listener
from autoscaler.loop import Loop
from autoscaler.observe import Observer
from autoscaler.policy import POLICIES
from autoscaler.reclaimed import Reclaimed
from autoscaler.remembered import Remembered
from autoscaler.schedule import floor_of
from autoscaler.spending import Billing, Spending
from autoscaler.sweep import rounds as sweep
from autoscaler.sweep.order import Order
from autoscaler.values import Limits, Observation, ScalingDecision
from autoscaler.wish import Wish
from tasks.celery import make_app

log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Keep the fleet as large as the queue needs, until SIGTERM or SIGINT; the instances live on.

    Raises:
        ConfigurationError: there is no policy of the name that ELASTIQ_POLICY gives, the floor or its schedule is
            none, or workers that are to be watched cannot be heard.
    """
    limits = _limits(settings)
    stop = StopSignals(signal.SIGTERM, signal.SIGINT)
    tracing.begin(settings.tracing, "elastiq-autoscaler")
    try:
        Autoscaler(settings, limits, stop.rouse).run(stop.wait)
    finally:
        tracing.end()


class Autoscaler:
    """All of its parts.

    Args:
        settings: this process's.
        limits: what is decided within, before anything is remembered.
        rouse: has the loop take its next step at once.

    Attributes:
        fleet: the instances.
    """

    def __init__(self, settings: Settings, limits: Limits, rouse: Callable[[], object]) -> None:
        self._settings, self._name = settings, f"{socket.gethostname()}:{os.getpid()}"
        app, clock = make_app(settings), SteadyClock()
        self._remembered, self._spending = Remembered(settings), Spending(settings)
        self._reclaimed, self._kept = Reclaimed(settings), Kept(settings, self._name)
        listens = settings.queue.listen
        self._hearing = Hearing(settings.worker.concurrency, clock, self._reclaimed.begin(clock())) if listens else None
        self._announcer, self._leader = Announcer(app, self._name), Leader(settings, self._name)
        self._figures = Figures(settings, self._leader.leads)
        self._chronicle = Chronicle(settings, self._name)
        self._wish = Wish(settings.ec2.fleet if settings.autoscaler.watch_only else "")
        self._listener = Listener(app, self._hearing, self._hear, rouse) if self._hearing else None
        self._order = Order(settings.autoscaler.republish_s)
        self.fleet = make_fleet(
            settings, lambda ids: self._announcer.ask_to_leave(self._nodes(ids)), self._hearing, clock
        )
        self._billing = Billing(settings)
        self._observer = Observer(
            settings, self.fleet, clock, self._hearing, self._spending.begin(clock()), self._billing.begin(clock())
        )
        self._loop = Loop(
            self._observer,
            self.fleet,
            self._remembered.within(limits),
            self._leader.leads,
            self._tell,
            lambda ids, at: self._announcer.ask_to_stay(self._nodes(ids), at),
            Brakes(settings.ec2.fleet if settings.ec2.launch_template else ""),
        )

    def run(self, wait: Callable[[float], bool]) -> None:
        """Take steps until ``wait`` says that it is over."""
        settings, stopped = self._settings, threading.Event()
        log.info(
            "autoscaler_started",
            policy=settings.autoscaler.policy,
            ceiling=settings.autoscaler.max_instances,
            fleet=type(self.fleet).__name__,
        )
        self._figures.serve()
        self._chronicle.begin()
        self._leader.start()
        if self._listener:
            self._listener.start()
        sweep.start(settings, self._name, stopped, self._leader.leads, self._figures.swept, self._order)
        self._loop.run(wait, settings.autoscaler.observe_s, AliveFile(settings.process.alive_file))
        stopped.set()
        if self._leader.leads():
            self._chronicle.stop()
        self._leader.stop()
        if self._listener:
            self._listener.stop()
        self._announcer.stop()
        log.info("autoscaler_stopped")

    def _hear(self, said: Said) -> None:
        self._figures.workload.hear(said)
        self._chronicle.hear(said)
        self._order.hear(said)

    def _nodes(self, ids: Iterable[str]) -> list[str]:
        return self._hearing.nodes(ids) if self._hearing else []

    def _tell(self, seen: Observation, decision: ScalingDecision, limits: Limits) -> None:
        """Tell of a decision, and keep what the next autoscaler begins with."""
        if seen.cost:
            batches = self._chronicle.share(seen.cost, idle=not seen.depth.total)
            seen = replace(seen, cost=replace(seen.cost, batches=batches))
        self._announcer.decided(seen, decision, limits)
        decided = announcement(seen, decision, limits, self._name)
        self._figures.decided(decided, self._observer.launches, seen.waiting)
        self._remembered.note(seen.estimates)
        self._spending.note(self._observer.spent)
        self._billing.note(self._observer.bill)
        self._reclaimed.note(self._hearing.interrupted() if self._hearing else {})
        self._kept.note(seen.brakes(limits), seen.at)
        self._wish.note(decision.desired, seen.at)
        self._chronicle.note()
        # Where a renewal costs money.
        billed = bool(self._settings.ec2.launch_template)
        self._leader.rest(billed and not seen.alive and not seen.depth.total)


def _limits(settings: Settings) -> Limits:
    """Return what is decided within, as it is set.

    Raises:
        ConfigurationError: there is no such policy, or the floor or its schedule is none.
    """
    given = settings.autoscaler
    if given.policy not in POLICIES:
        raise ConfigurationError(f"ELASTIQ_POLICY={given.policy!r} must be one of: {', '.join(POLICIES)}")
    return Limits(
        ceiling=given.max_instances,
        policy=given.policy,
        target_s=given.target_s,
        bill_s=given.min_billed_s,
        boot_limit_s=given.boot_limit_s,
        floor=floor_of(given.min_instances, given.schedule, given.max_instances),
        buffer=given.buffer,
        rest_s=given.rest_s,
        budget_h=given.daily_budget_h,
    )
