"""The task: one image from the input bucket to a result in the output bucket. Thin: parse, call, store, announce."""

from __future__ import annotations

from functools import cache
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Reject

from app.aws.queues import MAX_RECEIVES
from app.batches.records import Records
from app.domain import Classification, Failure
from app.errors import PermanentError, TransientError
from app.process.spans import span, tell
from app.settings import settings
from app.sources.images import Images
from app.storage import Storage
from tasks.announce import announce
from tasks.celery import CLASSIFY, app
from tasks.diary import Diary

log = structlog.get_logger(__name__)

# With the backoff below 37 minutes of pauses, beside the tries' own time: so long a storage outage is waited out, then
# the dead-letter queue has it.
RETRIES = 12
LONGEST_BACKOFF_S = 600
# From this receive of a message on, it is noted that its task has begun: a dead letter that none began with is no
# image's fault. Earlier receives need no note, which would cost a call for each image.
NOTED_FROM = MAX_RECEIVES - 1
# Of a result, so many characters are in the log's line and in Celery's event, which cost more to write than the rest of
# them: its key, its label, its score.
SHOWN = 256


@app.task(
    bind=True,
    name=CLASSIFY,
    max_retries=RETRIES,
    throws=(PermanentError,),
    resultrepr_maxsize=SHOWN,
    # By its name, so that a client that only submits never loads a worker.
    Request="tasks.worker.request:Request",
)
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
        Reject: it could not be done now for a reason that is not the image's.
    """
    tell(key=key)
    try:
        if (self.request.get("receives") or 1) >= NOTED_FROM:
            storage().mark_begun(key)
        diary = Diary(key, self.request)
        outcome, error = _settle(key, diary)
    except TransientError as err:
        if self.request.retries < RETRIES:
            raise self.retry(exc=err, countdown=min(LONGEST_BACKOFF_S, 2**self.request.retries)) from err
        raise _left(self, key, err) from err
    except Exception as err:
        raise _left(self, key, err) from err
    with span("announced"):
        announce(outcome, diary.closed(), awaited=not _bulk(self.request))
    if error is not None:
        log.warning("image_failed", key=key, task_id=self.request.id, reason=str(error))
        raise error
    return outcome.to_json()


def _bulk(request: Any) -> bool:
    """Return whether a task came by the bulk queue, where nobody waits for one image."""
    return bool(settings().queue.bulk) and (request.delivery_info or {}).get("routing_key") == settings().queue.bulk


def _left(task: Task, key: str, err: Exception) -> Reject:
    """Return what leaves the message in the queue: it is tried again, and after five receives a dead letter."""
    log.error(
        "image_left", key=key, task_id=task.request.id, error=repr(err), exc_info=not isinstance(err, TransientError)
    )
    return Reject(err, requeue=False)


def _settle(key: str, diary: Diary) -> tuple[Classification | Failure, PermanentError | None]:
    """Store what becomes of the image ``key``, and return it; for a failure with its error."""
    # Imported here, so that a client that only submits never loads an engine.
    from tasks import engine

    model = engine.load()
    error: PermanentError | None = None
    outcome: Classification | Failure
    try:
        with diary.step("fetched"):
            image = images().get_image(key)
        with diary.step("decoded"):
            pixels = model.decode(image)
        with diary.step("run"):
            outcome = Classification.of(key, model.predict(pixels), model.name)
    except PermanentError as err:
        outcome, error = Failure.of(key, str(err)), err
    with span("stored"):
        storage().save(outcome, diary.closed())
    return outcome, error


@cache
def storage() -> Storage:
    """Return this process's storage."""
    return Storage(settings(), connections=settings().worker.concurrency * 2)


@cache
def images() -> Images:
    """Return what has this process's images."""
    return Images(settings(), storage(), Records(settings()), connections=settings().worker.concurrency * 2)
