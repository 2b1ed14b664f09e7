"""The app tier: the Celery application, its one task, and the engine that the task runs.

`classify.delay(key)` submits an image that is in the input bucket; `bulk()` sends many at once.
"""

from tasks.celery import app, bulk
from tasks.classify import classify

__all__ = ["app", "bulk", "classify"]
