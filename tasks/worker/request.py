"""A message of the task queue as a worker holds it, before it has a thread: dropped there if its batch is."""

from __future__ import annotations

from typing import Any

from tasks.worker import celery_internals
from tasks.worker.dropping import dropped


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


def _key(args: Any, kwargs: Any) -> str:
    """Return the image's key; nothing where the message has none, which its task will say."""
    try:
        return str(args[0] if args else kwargs["key"])
    except (LookupError, TypeError):
        return ""
