"""Whether files can be added to a batch, whichever way they come."""

from __future__ import annotations

from werkzeug.exceptions import Conflict

from app.batches.record import BatchRecord


def addable(record: BatchRecord) -> BatchRecord:
    """Return a batch's record as it came.

    Raises:
        Conflict: the batch was cancelled, or its images are in S3.
    """
    id = record.id
    if record.cancelled_at:
        raise Conflict(f"batch {id!r} was cancelled; make another one, or take that back: POST /api/batches/{id}/retry")
    if record.source is not None:
        raise Conflict(f"the images of batch {id!r} are in S3, and none can be added; make another one")
    return record
