"""Leaving: a worker finishes what runs, gives back what it has only received, and says why it goes.

There are four reasons, and whichever comes first is told: ``idle``, ``notice`` (EC2 takes the host back), ``asked`` (by
remote control or by the instance's tag) and ``signal``. The process then ends with status 0, and its host may go.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import bootsteps, signals

from app.announcements import WorkerLeaving
from tasks.worker import celery_internals

log = structlog.get_logger(__name__)

IDLE, ASKED, SIGNAL = "idle", "asked", "signal"

_why: str | None = None


def leave(why: str) -> None:
    """Have this process's worker stop warmly at the next turn of its loop; any thread may call it."""
    _because(why)
    celery_internals.stop_warmly()


class Farewell(bootsteps.StartStopStep):
    """Announces that the worker leaves, before Celery announces that the worker is offline."""

    requires = ("celery.worker.consumer.heart:Heart", "celery.worker.consumer.events:Events")

    def start(self, consumer: Any) -> None:
        """Nothing yet: the worker has just come."""

    def stop(self, consumer: Any) -> None:
        """Say why, unless the loop only begins anew."""
        if _why is None:
            return
        log.info("worker_leaving", why=_why)
        if consumer.event_dispatcher is not None and consumer.event_dispatcher.enabled:
            what = WorkerLeaving(_why)
            consumer.event_dispatcher.send(what.TYPE, **what.to_event())


def _because(why: str) -> None:
    global _why
    _why = _why or why


@celery_internals.in_place_of_shutdown
def _asked() -> None:
    leave(ASKED)


@signals.worker_shutting_down.connect
def _signalled(**_: Any) -> None:
    # Within a signal's handler: no log, no lock.
    _because(SIGNAL)
