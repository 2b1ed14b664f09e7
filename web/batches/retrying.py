"""Trying again what failed of a batch, or what was dropped of one that was cancelled."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from itertools import islice

from werkzeug.exceptions import Conflict

from app.batches.cancelling import Cancelling
from app.batches.marks import RETRIED, Marks
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.domain import path_of
from app.settings import Settings
from app.storage import FAILURE, RESULT, Storage

# Images whose failure is taken back before they are published: so many wait for the sweep if this process dies then.
TOGETHER = 500


class Retrying:
    """Publishes images again. Safe to share between threads; every method raises what the buckets and the queue do.

    Args:
        settings: the output bucket.
        storage: where images and failures are.
        records: say whether a batch is cancelled.
        cancelling: takes that back.
        publish: hands keys to the task queue and returns once it has accepted them all.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        records: Records,
        cancelling: Cancelling,
        publish: Callable[[Sequence[str]], object],
    ) -> None:
        self._storage, self._records, self._cancelling, self._publish = storage, records, cancelling, publish
        self._marks = Marks(settings, RETRIED)

    def retry(self, id: str, paths: Container[str] | None, cancelled: bool) -> int:
        """Try again what failed, those of ``paths`` or all; what was refused at the door stays so.

        A failure is taken back before its image is published, so the worker's new outcome is the only one; an image
        that this leaves without a message is published by the sweep, for which the batch is marked first.

        Args:
            id: the batch.
            paths: of images in it; None for all.
            cancelled: whether to take back that it was cancelled, and try what was dropped too.

        Returns:
            How many images were published.

        Raises:
            Conflict: the batch is cancelled, and that is not to be taken back.
        """
        record = self._records.fresh(id) or BatchRecord(id)
        refuse_cancelled(record, cancelled)
        resumes = record.cancelled_at is not None
        self._marks.put(id)
        if resumes:
            self._cancelling.resume(id)
        names = set(self._storage.outcomes(id))
        keys = (image.key for image in self._storage.images(id))
        wanted = (key for key in keys if paths is None or path_of(key) in paths)
        open = (key for key in wanted if key + RESULT not in names and (resumes or key + FAILURE in names))
        count = 0
        while group := list(islice(open, TOGETHER)):
            self._storage.forget_failures([key for key in group if key + FAILURE in names])
            self._publish(group)
            count += len(group)
        return count


def refuse_cancelled(record: BatchRecord, cancelled: bool) -> None:
    """Refuse to try a batch again that is cancelled, unless ``cancelled``: that is to be taken back.

    Raises:
        Conflict: it is, and that is not.
    """
    if record.cancelled_at and not cancelled:
        raise Conflict(f'batch {record.id!r} was cancelled; send {{"cancelled": true}} to take that back')
