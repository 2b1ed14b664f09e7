"""Trying again what failed of a batch with a source, or going on with one that was cancelled; nothing grows with it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from itertools import islice

from werkzeug.exceptions import Conflict

from app.batches.cancelling import Cancelling
from app.batches.record import BatchRecord
from app.domain import path_of
from app.sources.progress import Progress, Progresses
from app.storage import FAILURE, Storage
from web.batches.retrying import TOGETHER, refuse_cancelled


class Retrying:
    """Publishes images again. Safe to share between threads; every method raises what the buckets and the queue do.

    An image that this leaves without a message is found by whoever runs the source, as one whose message was lost.

    Args:
        storage: where failures are.
        progresses: say how far each batch has come.
        cancelling: takes that back.
        publish: hands keys to the task queue and returns once it has accepted them all.
        begin: has a batch's source be gone on with.
    """

    def __init__(
        self,
        storage: Storage,
        progresses: Progresses,
        cancelling: Cancelling,
        publish: Callable[[Sequence[str]], object],
        begin: Callable[[str], object],
    ) -> None:
        self._storage, self._progresses, self._cancelling = storage, progresses, cancelling
        self._publish, self._begin = publish, begin

    def retry(self, record: BatchRecord, paths: Container[str] | None, cancelled: bool) -> int:
        """Try again what failed, those of ``paths`` or all.

        Args:
            record: the batch's, as it is now.
            paths: of images in it; None for all.
            cancelled: whether to take back that it was cancelled, and try what was dropped too.

        Returns:
            How many images are tried again, as far as that is known: a listing that was broken off goes on.

        Raises:
            Conflict: the batch is cancelled, and that is not to be taken back, or for some paths alone.
        """
        refuse_cancelled(record, cancelled)
        if not record.cancelled_at:
            count = self._again(record.id, paths)
            if count:
                self._progresses.change(record.id, Progress.tried_again)
        elif paths is not None:
            raise Conflict("a batch with a source that was cancelled is gone on with as a whole; leave paths out")
        else:
            count = sum((self._progresses.read(record.id) or Progress()).counts(cancelled=True)[s] for s in LEFT)
            self._cancelling.resume(record.id)
            for _ in self._forgotten(record.id, None):
                pass  # the listing finds them
            self._progresses.change(record.id, lambda was: was.tried_again().listed_again())
        self._begin(record.id)
        return count

    def _again(self, id: str, paths: Container[str] | None) -> int:
        count = 0
        for group in self._forgotten(id, paths):
            self._publish(group)
            count += len(group)
        return count

    def _forgotten(self, id: str, paths: Container[str] | None) -> Iterator[list[str]]:
        """Take failures back, and yield the keys of some at a time."""
        failed = (name.removesuffix(FAILURE) for name in self._storage.outcomes(id) if name.endswith(FAILURE))
        wanted = (key for key in failed if paths is None or path_of(key) in paths)
        while group := list(islice(wanted, TOGETHER)):
            self._storage.forget_failures(group)
            yield group


# What a batch that is gone on with has no label of.
LEFT = ("failed", "cancelled")
