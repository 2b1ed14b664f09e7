"""What clients were told, written down by themselves as they were told it, beside the system and never read by it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One thing that a client was told.

    Attributes:
        at: seconds since 1970.
        what: ``accepted`` (it has an image's key), ``refused`` (said at once to be no image), ``told`` (a label or a
            reason), ``unanswered`` (nobody answered: the image may be there or not).
        client: which kind of client.
        key: the image's key, as the client was told it; empty where it was not.
        file: which file it sent.
        text: the label or the reason.
    """

    at: float
    what: str
    client: str
    key: str
    file: str
    text: str = ""


class Ledger:
    """A file of entries, one JSON object a line, each on its way to the disk before the client goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a")
        self._lock = threading.Lock()

    def write(self, what: str, client: str, key: str, file: str, text: str = "") -> None:
        """Write one entry."""
        line = json.dumps(asdict(Entry(time.time(), what, client, key, file, text)))
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def read(self) -> list[Entry]:
        """Return all entries so far."""
        return list(_entries(self.path))


def _entries(path: Path) -> Iterator[Entry]:
    with path.open() as file:
        for line in file:
            yield Entry(**json.loads(line))
