"""The app tier: the Celery application, its one task, and the engine that the task runs.

`classify.delay(key)` submits an image that is in the input bucket; `bulk()` sends many at once. Both are imported when
they are first asked for, so `tasks.engine` can be used without Celery.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.celery import app, bulk
    from tasks.classification import classify

__all__ = ["app", "bulk", "classify"]

_HOMES = {"app": "tasks.celery", "bulk": "tasks.celery", "classify": "tasks.classification"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
