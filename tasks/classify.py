"""The task: one image from the input bucket to a result in the output bucket. Thin: parse, call, store, announce."""

from __future__ import annotations

from functools import cache
from typing import Any

import structlog
from celery import Task

from app.domain import Classification, Failure
from app.errors import PermanentError, TransientError
from app.settings import settings
from app.storage import Storage
from tasks.announce import announce
from tasks.celery import CLASSIFY, app

log = structlog.get_logger(__name__)

# With the backoff below: a storage outage of about an hour is waited out, then the dead-letter queue has it.
RETRIES = 12
LONGEST_BACKOFF_S = 600


@app.task(bind=True, name=CLASSIFY, max_retries=RETRIES, throws=(PermanentError,))
def classify(self: Task, key: str) -> dict[str, Any]:
    """Classify the image ``key`` of the input bucket and store the result under ``<key>.txt``.

    Running twice for a key stores the same result twice.

    Args:
        self: the task, which carries the request.
        key: the object's name in the input bucket.

    Returns:
        ``{"key", "filename", "label", "score", "top5": [{"label", "score"}], "model"}``.

    Raises:
        InvalidImage: the object is no image that can be classified; ``<key>.error.txt`` says why.
        ImageNotFound: there is no such object; ``<key>.error.txt`` says so.
    """
    try:
        classification = _classify(key)
    except PermanentError as err:
        failure = Failure.of(key, str(err))
        storage().save(failure)
        announce(failure)
        log.warning("image_failed", key=key, reason=str(err))
        raise
    except TransientError as err:
        raise self.retry(exc=err, countdown=min(LONGEST_BACKOFF_S, 2**self.request.retries)) from err
    announce(classification)
    return classification.to_json()


def _classify(key: str) -> Classification:
    # Imported here, so that a client that only submits never loads an engine.
    from tasks import engine

    model = engine.load()
    classification = Classification.of(key, model.classify(storage().get_image(key)), model.name)
    storage().save(classification)
    return classification


@cache
def storage() -> Storage:
    """Return this process's storage."""
    return Storage(settings(), connections=settings().concurrency * 2)
