"""Telling all processes what was done to a batch; whoever does not hear it learns it a little later by himself."""

from __future__ import annotations

import structlog
from celery import Celery

from app.announcements import BatchChanged
from app.dispatch import Dispatch
from app.domain import DROP_COMMAND

log = structlog.get_logger(__name__)


class Telling:
    """Tells web processes by an event, and workers by remote control. Raises nothing; safe to share between threads.

    Args:
        app: the Celery application of this system.
        dispatch: sends events.
    """

    def __init__(self, app: Celery, dispatch: Dispatch) -> None:
        self._app, self._dispatch = app, dispatch

    def changed(self, id: str) -> None:
        """Tell that a batch's record was changed."""
        self._dispatch.send(BatchChanged(id))

    def dropped(self, id: str, dropped: bool) -> None:
        """Tell workers whether to drop a batch's messages."""
        try:
            self._app.control.broadcast(DROP_COMMAND, arguments={"batch": id, "drop": dropped})
        except Exception as err:  # whatever it is, workers look by themselves
            log.warning("workers_not_told", batch=id, reason=f"{type(err).__name__}: {err}")
