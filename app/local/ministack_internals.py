"""What the embedded cloud does with ministack's private parts: a poll that waits is answered when a message comes.

ministack 1.5.33 looks every tenth of a second. It stands on two names in its modules of SQS and SNS: ``asyncio``, whose
``sleep`` a waiting poll calls, and ``esm_wake``, the event that is set whenever a message can be received. And on its
command's import of ``serve`` from ``hypercorn.asyncio``, which parses HTTP in Python: uvicorn does it in C, which saves
a quarter of what a call costs.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

# How long calls, such as polls that wait, may go on when the cloud is asked to end.
_LAST_CALLS_S = 3


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
        ModuleNotFoundError: it is not installed, or what serves it is not.
    """
    from ministack.app import main

    answer_polls_at_once()
    parse_http_in_c()
    return main  # type: ignore[no-any-return]  # ministack is untyped


def answer_polls_at_once() -> None:
    """Have ministack, in this process, answer a waiting poll when a message comes."""
    from ministack.services import sns, sqs

    arrivals = Arrivals(sqs.esm_wake)
    sqs.esm_wake = sns.esm_wake = arrivals
    sqs.asyncio = _Asyncio(arrivals)


def parse_http_in_c() -> None:
    """Have ministack's command, in this process, serve by uvicorn and httptools.

    Raises:
        ModuleNotFoundError: one of them is not installed.
    """
    import httptools  # noqa: F401  # uvicorn would find only when it serves that it is missing
    import hypercorn.asyncio
    import uvicorn

    class Server(uvicorn.Server):
        """One that a signal only ends, so that the process goes on to its own end; uvicorn's would raise it again."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.handle_exit, number, None)
            yield

    async def serve(application: Any, asked: hypercorn.Config) -> None:
        host, _, port = asked.bind[0].rpartition(":")
        config = uvicorn.Config(
            application,
            host=host,
            port=int(port),
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            # ministack writes a Date of its own, and takes nobody's word for another client's address.
            date_header=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(asked.keep_alive_timeout),
            timeout_graceful_shutdown=_LAST_CALLS_S,
        )
        await Server(config).serve()

    hypercorn.asyncio.serve = serve  # type: ignore[assignment]


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


if __name__ == "__main__":
    load()()
