"""A bell for those who wait on an event loop, which any thread may ring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Bell:
    """Wakes who waits for it. All of them wait on one event loop; any thread may ring.

    Who changes something rings when it is changed, and who waits looks at that before: nothing is missed in between.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._rung = False

    def ring(self) -> None:
        """Have everyone who waits look again; rung often at once, they look once."""
        if self._loop is None or self._rung:
            return
        self._rung = True
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop has ended, and with it everyone who waited
            self._rung = False

    async def wait(self, timeout_s: float) -> None:
        """Return at the next ring, or after ``timeout_s``."""
        self._loop = asyncio.get_running_loop()
        # Thousands wait: `asyncio.timeout` and `asyncio.Event` would take twice the time.
        woken = self._loop.create_future()
        late = self._loop.call_later(timeout_s, _end, woken)
        self._waiting.add(woken)
        try:
            await woken
        finally:
            late.cancel()
            self._waiting.discard(woken)

    async def wait_for(self, condition: Callable[[], object], timeout_s: float) -> None:
        """Return when ``condition`` is true, which is looked at at each ring, or after ``timeout_s``."""
        self._loop = asyncio.get_running_loop()
        deadline = self._loop.time() + timeout_s
        while not condition() and (left := deadline - self._loop.time()) > 0:
            await self.wait(left)

    def _wake(self) -> None:
        # From here on a ring is another one; those who wait look after that.
        self._rung = False
        for woken in self._waiting:
            _end(woken)


def _end(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
