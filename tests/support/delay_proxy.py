"""A proxy before the embedded cloud that holds back each call to S3 for a while; calls to SQS and SNS pass at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from urllib.parse import urlsplit

# SQS and SNS are called by POST, and S3, as we use it, by all the others.
NOT_S3 = b"POST"


class DelayProxy:
    """Forwards to ``target``; use it as a context manager.

    Args:
        target: where the embedded cloud is.
        delay_s: added to every call to S3.
    """

    def __init__(self, target: str, delay_s: float) -> None:
        self._target, self._delay_s = urlsplit(target), delay_s
        self._loop = asyncio.new_event_loop()
        self._port = 0

    @property
    def endpoint_url(self) -> str:
        """Return the proxy's address."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> DelayProxy:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self._port = server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, out = await asyncio.open_connection(self._target.hostname, self._target.port)
        answered = asyncio.Event()
        answered.set()
        answers = asyncio.ensure_future(self._answers(upstream, writer, answered))
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 18):
                # What comes first after an answer is a new call.
                if answered.is_set() and not data.startswith(NOT_S3):
                    await asyncio.sleep(self._delay_s)
                answered.clear()
                out.write(data)
                await out.drain()
        answers.cancel()
        out.close()
        writer.close()

    async def _answers(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, answered: asyncio.Event
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await upstream.read(1 << 18):
                answered.set()
                writer.write(data)
                await writer.drain()
        writer.close()
