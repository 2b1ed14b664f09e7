"""Sweeps up after what died or was lost, beside the scaling loop, in a thread of its own.

It tells the owners of dead letters, deletes the queues of listeners that are gone and batches that are over, and
publishes lost images again.
What fails is logged and tried again at the next round.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from celery import Celery

from app.account.dead_letters import DeadLetters
from app.announcements import Swept
from app.batches.cancelling import Cancelling
from app.batches.deletion import Deletion
from app.batches.records import Records
from app.batches.telling import Telling
from app.dispatch import Dispatch
from app.errors import ElastiqError
from app.process.steps import repeat
from app.settings import Settings
from app.sqs.sweep import ListenerSweep
from app.storage import Storage
from autoscaler.announce import Announcer
from autoscaler.sweep.channels import CompletionTopic, Webhook
from autoscaler.sweep.completed import Completed
from autoscaler.sweep.ended import Ended
from autoscaler.sweep.order import Order
from autoscaler.sweep.republish import LOOKS, Republisher
from tasks.celery import make_app

log = structlog.get_logger(__name__)

ROUND_S = 10.0
# Dead letters are looked at when their count changes, and now and then all the same: the count is approximate.
LOOK_AGAIN_S = 600.0
LISTENERS_S = 60.0


class Sweep:
    """One round at a time.

    Args:
        settings: the queues and buckets.
        app: the Celery application of this system.
        order: tells what is done of late, where events are heard.
    """

    def __init__(self, settings: Settings, app: Celery, order: Order | None = None) -> None:
        self._settings, self._app = settings, app
        self._storage = Storage(settings)
        self._dead = DeadLetters(settings)
        telling = Telling(app, Dispatch(app, "sweep"))
        records = Records(settings, telling.changed)
        cancelling = Cancelling(settings, records, telling)
        self._completed = [
            Completed(settings, records, Webhook(settings.hooks, settings.aws)),
            Completed(settings, records, CompletionTopic(settings.hooks, settings.aws)),
        ]
        self._ended = Ended(settings, records, Deletion(settings, records, cancelling))
        self._republisher = Republisher(settings, app, self._report_if_any, cancelling.dropped, order)
        self._swept = Swept()
        self._listener_sweep = ListenerSweep(settings.queue.listener_prefix)
        self._looked_at, self._listeners_at = float("-inf"), float("-inf")

    def round(self, now: float, at: datetime) -> Swept:
        """Do what is due at ``now`` (monotonic seconds), which is ``at`` by the wall clock (UTC).

        Returns:
            What was done since the start.
        """
        for part in (self._dead_letters, self._listeners):
            self._try(part, now)
        self._try(self._ended_batches, now, at)
        self._try(self._completed_batches, now, at)
        if self._settings.autoscaler.republish_s:
            self._try(self._republish, now, at)
        return self._swept

    def _try(self, part: Callable[..., None], *when: object) -> None:
        try:
            part(*when)
        except Exception as err:  # whatever it is, the other parts are due all the same
            unforeseen = not isinstance(err, ElastiqError)
            reason = f"{type(err).__name__}: {err}" if unforeseen else str(err)
            log.warning("sweep_failed", part=part.__name__.strip("_"), reason=reason, exc_info=unforeseen)

    def _dead_letters(self, now: float) -> None:
        count = self._dead.count()
        if count and (count != self._swept.dead_letters or now - self._looked_at > LOOK_AGAIN_S):
            self._report()
            self._looked_at = now
        self._swept = replace(self._swept, dead_letters=count)

    def _report(self) -> None:
        for letter in self._dead.report(self._storage):
            log.error("image_dead_lettered", key=letter.key, task_id=letter.task_id)

    def _report_if_any(self) -> None:
        if self._dead.count():
            self._report()

    def _listeners(self, now: float) -> None:
        if not self._settings.queue.listen or now - self._listeners_at < LISTENERS_S:
            return
        self._listeners_at = now
        with self._app.connection() as connection:
            swept = connection.transport.gateway.sweep(self._listener_sweep)
        self._swept = replace(self._swept, listeners=self._swept.listeners + len(swept))

    def _ended_batches(self, now: float, at: datetime) -> None:
        self._ended.round(now, at)

    def _completed_batches(self, now: float, at: datetime) -> None:
        for completed in self._completed:
            completed.round(now, at)
        self._swept = replace(self._swept, untold=sum(completed.untold for completed in self._completed))

    def _republish(self, now: float, at: datetime) -> None:
        done = self._republisher.round(now, at)
        self._swept = replace(
            self._swept,
            republished=self._swept.republished + done.republished,
            given_up=self._swept.given_up + done.given_up,
        )


def start(
    settings: Settings,
    name: str,
    stopped: threading.Event,
    leads: Callable[[], bool],
    tell: Callable[[Swept], object],
    order: Order | None = None,
) -> threading.Thread:
    """Sweep every ten seconds in a thread of its own until ``stopped``, while the autoscaler ``name`` leads."""
    pause_s = min(ROUND_S, settings.autoscaler.republish_s / LOOKS) or ROUND_S

    app = make_app(settings)
    sweep, announcer = Sweep(settings, app, order), Announcer(app, name)

    def step() -> None:
        if leads():
            at = datetime.now(UTC)
            swept = sweep.round(time.monotonic(), at)
            tell(swept)
            announcer.swept(swept, at)

    def run() -> None:
        repeat(step, stopped.wait, lambda: pause_s, name="sweep", first_s=pause_s)
        announcer.stop()

    thread = threading.Thread(target=run, name="sweep", daemon=True)
    thread.start()
    return thread
