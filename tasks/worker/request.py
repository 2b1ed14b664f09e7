"""A message of the task queue as a worker holds it: dropped before it has a thread, if its batch is; always settled."""

from __future__ import annotations

from typing import Any

import structlog

from app.errors import ElastiqError
from tasks.worker import celery_internals
from tasks.worker.dropping import dropped

log = structlog.get_logger(__name__)


class Request(celery_internals.Request):
    """A request for a classification."""

    def revoked(self) -> bool:
        """Return whether it is not to be run; then it is acknowledged, and counts as no work done."""
        if super().revoked():
            return True
        if not dropped.has(_key(self.args, self.kwargs)):
            return False
        celery_internals.revoke(self)
        return True

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """Settle the message as Celery does; where that raises, let it come again, as Celery would hold it for ever."""
        try:
            super().on_failure(exc_info, send_failed_event, return_ok)
        except Exception as err:  # MemoryError, which Celery raises here, and what storing a failure raises
            why = f"{type(err).__name__}: {err}"
            log.error("settling_failed", task_id=self.id, reason=why, exc_info=not isinstance(err, ElastiqError))
            if not self.acknowledged:
                self.reject(requeue=False)


def _key(args: Any, kwargs: Any) -> str:
    """Return the image's key; nothing where the message has none, which its task will say."""
    try:
        return str(args[0] if args else kwargs["key"])
    except (LookupError, TypeError):
        return ""
