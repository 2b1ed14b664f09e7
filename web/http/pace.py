"""A connection that is waited for only so long: each byte that comes buys a moment more, silence and trickling none."""

from __future__ import annotations

import socket
import time

# What a client may keep a thread waiting, in seconds: in one go or, at less than this many bytes a second, in all.
STALLED_S = 60.0
SLOWEST = 1_000


class PacedSocket(socket.socket):
    """A socket whose ``recv``, where it blocks, waits no longer in all than it was told."""

    _left_s = _most_s = STALLED_S
    _per_byte_s = 0.0

    def wait_at_most(self, seconds: float, slowest: float = 0) -> None:
        """Wait for that long from here on; sending may take `STALLED_S` at once.

        Args:
            seconds: spent waiting in ``recv``; what was there already costs none.
            slowest: bytes a second that may come for ever; 0 for none.
        """
        self._left_s = self._most_s = seconds
        self._per_byte_s = 1 / slowest if slowest else 0.0
        self.settimeout(STALLED_S)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return what has come, as every socket does.

        Raises:
            TimeoutError: nothing has, and no more is waited for.
        """
        if self.gettimeout() == 0:
            return super().recv(size, flags)
        self.settimeout(max(self._left_s, 0.001))
        began = time.monotonic()
        try:
            data = super().recv(size, flags)
        finally:
            self._left_s -= time.monotonic() - began
            self.settimeout(STALLED_S)
        self._left_s = min(self._most_s, self._left_s + len(data) * self._per_byte_s)
        return data
