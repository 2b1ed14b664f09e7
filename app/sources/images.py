"""An image's bytes, wherever they are: in the bucket of uploads, or where the source of its batch has them."""

from __future__ import annotations

import threading

from app.aws.bucket import Bucket
from app.batches.records import Records
from app.errors import ImageNotFound
from app.settings import Settings
from app.sources.source import kept, name_in
from app.storage import Storage


class Images:
    """Reads images by key. Safe to share between threads; raises as `Storage.get_image` does.

    Args:
        settings: the buckets, and which others may be read.
        storage: has what was uploaded.
        records: say what a batch's source is.
        connections: how many threads may call at once.
    """

    def __init__(self, settings: Settings, storage: Storage, records: Records, *, connections: int = 32) -> None:
        self._settings, self._storage, self._records = settings, storage, records
        self._connections, self._lock = connections, threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    def get_image(self, key: str) -> bytes:
        """Return one image's bytes."""
        named = name_in(key)
        data = self._records.read(named[0]).source if named else None
        if named is None or data is None:
            return self._storage.get_image(key)
        batch, name = named
        source, own = kept(data), self._settings.buckets.input
        # Whatever a record or a message says, nothing else is read.
        allowed = source.bucket in {own, *self._settings.buckets.sources}
        if not allowed or not source.takes(name, batch, source.bucket == own):
            raise ImageNotFound(f"the batch's source has no image {name!r}")
        return self._storage.fetch(self._bucket(source.bucket), name)

    def _bucket(self, name: str) -> Bucket:
        with self._lock:
            if name not in self._buckets:
                self._buckets[name] = Bucket(self._settings.aws, name, connections=self._connections)
            return self._buckets[name]
