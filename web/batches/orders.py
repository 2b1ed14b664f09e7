"""What can be ordered of a batch, put together: that it be made, cancelled, tried again, deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.batches.cancelling import Cancelling
from app.batches.deletion import Deletion
from app.batches.marks import ANNOUNCED, EXPIRES, HOOKED, Marks
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.batches.telling import Telling
from app.settings import Settings
from app.storage import Storage
from web.batches.retrying import Retrying


class Orders:
    """All of it. Safe to share between threads.

    Args:
        settings: the buckets.
        storage: the same.
        records: of batches.
        telling: tells other processes.
        publish: hands keys to the task queue and returns once it has accepted them all.

    Attributes:
        cancelling: cancels batches.
        retrying: publishes images of batches again.
        deletion: deletes batches.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        records: Records,
        telling: Telling,
        publish: Callable[[Sequence[str]], object],
    ) -> None:
        self._records, self._announces = records, bool(settings.hooks.topic_arn)
        self._expires, self._hooked = Marks(settings, EXPIRES), Marks(settings, HOOKED)
        self._announced = Marks(settings, ANNOUNCED)
        self.cancelling = Cancelling(settings, records, telling)
        self.retrying = Retrying(settings, storage, records, self.cancelling, publish)
        self.deletion = Deletion(settings, records, self.cancelling)

    def make(self, record: BatchRecord) -> None:
        """Keep the record of a batch that has just been made.

        Raises:
            ConfigurationError, TransientError: the output bucket does not take it.
        """
        if record.expires_at:
            # The mark first: one without a record does no harm, a record without one would never expire.
            self._expires.put(f"{int(record.expires_at.timestamp()):012d}-{record.id}")
        if record.webhook:
            self._hooked.put(record.id)
        if self._announces:
            self._announced.put(record.id)
        self._records.make(record)
