"""Keys as this process has given them out, so that one of many files of a name asks S3 for no key that another has."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

REMEMBERED = 20_000
# Files that are after one key take turns; those after different keys meet at a lock by rare chance.
_LOCKS = 1024


class Places:
    """Which file has which key, as far as this process knows. Safe to share between threads.

    Args:
        remembered: how many keys at most; what is forgotten costs a call to S3.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(_LOCKS)]

    def find(self, keys: Iterable[str], digest: str, put: Callable[[str], T | None]) -> T | None:
        """Put a file under the first of ``keys`` that it can have; None if others have them all.

        Args:
            keys: those that it may have. One that another process may have given out is always asked for: it may
                have been for this very file.
            digest: the file's digest.
            put: puts it under a key, and returns what this is to return; None if another file is there.
        """
        for key in keys:
            with self._turns[hash(key) % _LOCKS]:
                if self._owner(key) in {None, digest} and (placed := put(key)) is not None:
                    self._remember(key, digest)
                    return placed
        return None

    def _owner(self, key: str) -> str | None:
        with self._lock:
            if key in self._owners:
                self._owners.move_to_end(key)
            return self._owners.get(key)

    def _remember(self, key: str, digest: str) -> None:
        with self._lock:
            self._owners[key] = digest
            if len(self._owners) > self._remembered:
                self._owners.popitem(last=False)
