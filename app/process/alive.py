"""A file whose age tells whether a process still goes on: `app.process.healthy` looks at it."""

from __future__ import annotations

import time
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


class AliveFile:
    """A file to be touched from the loop that must go on.

    Args:
        path: where it is; empty for none.
    """

    EVERY_S = 5.0

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._touched_at = float("-inf")

    def touch(self) -> None:
        """Give it the present time, unless it has just been; a failure is logged."""
        now = time.monotonic()
        if self._path is None or now - self._touched_at < self.EVERY_S / 2:
            return
        self._touched_at = now
        try:
            self._path.touch()
        except OSError as err:
            log.error("alive_file_failed", path=str(self._path), reason=str(err))
