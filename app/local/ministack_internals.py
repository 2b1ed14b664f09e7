"""What the embedded cloud does with ministack's private parts: a poll that waits is answered when a message comes.

ministack 1.5.33 looks every tenth of a second. It stands on two names in its modules of SQS and SNS: ``asyncio``, whose
``sleep`` a waiting poll calls, and ``esm_wake``, the event that is set whenever a message can be received.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Arrivals:
    """Stands in for ministack's event, and wakes those who wait for it in an asyncio loop; any thread may set it."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._waiting: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}

    def set(self) -> None:
        """Say that something can be received."""
        self._event.set()
        while self._waiting:  # each is woken once, however many messages come until it looks
            with suppress(KeyError, RuntimeError):  # another thread was quicker, or the loop has ended
                future, loop = self._waiting.popitem()
                loop.call_soon_threadsafe(_wake, future)

    async def sleep(self, seconds: float) -> None:
        """Return when something can be received, at the latest after so many seconds."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting[future] = loop
        timer = loop.call_later(seconds, _wake, future)
        try:
            await future
        finally:
            timer.cancel()
            self._waiting.pop(future, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._event, name)


class _Asyncio:
    """asyncio as ministack's module of SQS finds it."""

    def __init__(self, arrivals: Arrivals) -> None:
        self.sleep = arrivals.sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


def load() -> Callable[[], None]:
    """Return what runs ministack in this process, its command.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    from ministack.app import main

    answer_polls_at_once()
    return main  # type: ignore[no-any-return]  # ministack is untyped


def answer_polls_at_once() -> None:
    """Have ministack, in this process, answer a waiting poll when a message comes."""
    from ministack.services import sns, sqs

    arrivals = Arrivals(sqs.esm_wake)
    sqs.esm_wake = sns.esm_wake = arrivals
    sqs.asyncio = _Asyncio(arrivals)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


if __name__ == "__main__":
    load()()
