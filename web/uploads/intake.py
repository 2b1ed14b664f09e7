"""Uploaded files on their way in: checked by content, stored, published. A refused one costs its neighbours nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from threading import BoundedSemaphore

import structlog

from app.domain import Classification, Failure
from app.errors import ElastiqError, ImageExists, InvalidImage
from app.images.check import check
from app.settings import ImageSettings
from app.sqs.metrics import Metrics
from app.storage import Storage
from web.batches.feed import Feed
from web.uploads import names
from web.uploads.multipart import Part
from web.uploads.places import Places

log = structlog.get_logger(__name__)

STORING_THREADS = 16
# Files spooled and not yet stored, over all requests; a request that brings more waits, and so does its client.
IN_HAND = 2 * STORING_THREADS
# A long upload's images are published on the way, so that results begin before it ends; the first few sooner, so that a
# worker is on its way.
PUBLISH_FIRST, PUBLISH_EVERY = 10, 100

Publish = Callable[[Sequence[str], float | None], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one file: its image's key, and the outcome if there is one already."""

    key: str
    outcome: Classification | Failure | None = None


class Intake:
    """Takes files into batches. Safe to share between threads.

    Args:
        limits: how large a file and an image may be.
        storage: where images and the reasons of refused ones go.
        feed: is told of both.
        publish: hands keys to the queues, as `web.uploads.publish.Publisher.publish` does.
        counts: is told how many files were accepted and rejected.
    """

    def __init__(self, limits: ImageSettings, storage: Storage, feed: Feed, publish: Publish, counts: Metrics) -> None:
        self._limits, self._storage, self._feed, self._publish = limits, storage, feed, publish
        self._counts, self._places = counts, Places()
        self._pool = ThreadPoolExecutor(STORING_THREADS, "store")
        self._in_hand = BoundedSemaphore(IN_HAND)

    def take(self, batch: str, parts: Iterable[Part], first: float | None = None) -> list[Taken]:
        """Take every file of ``parts`` into ``batch`` and publish the images among them, ``first`` of it at once.

        What was stored before an error, of the upload or of a service, is published all the same.

        Returns:
            What became of each file, in their order.

        Raises:
            TransientError, ConfigurationError: a bucket or the queue; sending the same files again is safe.
            BrokenUpload, RequestTimeout: ``parts`` ended early.
        """
        taken: list[Taken] = []
        pending: list[Future[Taken]] = []
        try:
            for part in parts:
                pending.append(self._submit(batch, part))
                if len(pending) == (PUBLISH_EVERY if taken else PUBLISH_FIRST):
                    taken += self._settle(pending, first)
        finally:
            taken += self._settle(pending, first)
        return taken

    def admit(self, batch: str, part: Part) -> Taken:
        """Check one file and store it; it is not published.

        Raises:
            InvalidImage: the file is not taken; nothing of it is kept.
        """
        try:
            return self._admit(batch, part)
        except InvalidImage:
            self._counts.count("images_rejected")
            raise

    def publish(self, taken: Iterable[Taken], first: float | None = None) -> None:
        """Publish those that have no outcome yet; ``first`` of the batch go before what waits in bulk.

        Raises:
            TransientError, ConfigurationError: the queue did not accept them all.
        """
        if keys := [image.key for image in taken if image.outcome is None]:
            self._publish(keys, first)
            self._counts.count("images_accepted", len(keys))

    def _admit(self, batch: str, part: Part) -> Taken:
        if part.refusal:
            raise InvalidImage(part.refusal)
        names.check(part.filename)
        if part.too_large:
            raise InvalidImage(f"the file is larger than {self._limits.max_file_bytes / 1e6:.4g} MB")
        kind = check(part.body, max_pixels=self._limits.max_pixels)
        keys = names.keys(batch, part.filename, part.digest)
        taken = self._places.find(keys, part.digest, lambda key: self._put(key, part, kind.content_type))
        if taken is None:
            raise InvalidImage("too many other files of this name are in the batch; give the file another name")
        return taken

    def _put(self, key: str, part: Part, content_type: str) -> Taken | None:
        """Store a file; None if another one has this key."""
        part.body.seek(0)
        try:
            new = self._storage.put_image(key, part.body, content_type)
        except ImageExists:
            return None
        self._feed.expect([key])
        # The same file sent again, because its answer was lost: it may have its result by now.
        return Taken(key, None if new else self._storage.outcome(key))

    def _submit(self, batch: str, part: Part) -> Future[Taken]:
        self._in_hand.acquire()
        return self._pool.submit(copy_context().run, self._take_one, batch, part)

    def _take_one(self, batch: str, part: Part) -> Taken:
        try:
            return self.admit(batch, part)
        except InvalidImage as err:
            failure = Failure.of(names.rejected_key(batch, part.filename, part.digest), str(err))
            log.info("image_rejected", key=failure.key, reason=failure.reason)
            self._storage.save(failure)
            self._feed.publish(failure)
            return Taken(failure.key, failure)
        finally:
            part.body.close()
            self._in_hand.release()

    def _settle(self, pending: list[Future[Taken]], first: float | None) -> list[Taken]:
        """Wait for the files in hand and publish them; raise the first error only after that."""
        group, pending[:] = pending[:], []
        errors = [err for future in group if (err := future.exception())]
        taken = [future.result() for future in group if not future.exception()]
        self.publish(taken, first)
        if errors:
            unforeseen = [err for err in errors if not isinstance(err, ElastiqError)]
            raise (unforeseen or errors)[0]
        return taken
