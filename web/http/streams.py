"""Event streams beside the server's threads: a request's connection is taken over when its answer's head is sent.

One thread with an event loop has all that are open; a stream costs it a coroutine and a socket.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

import structlog
from flask import Response, request

from web.http.gunicorn_internals import HandedOver, connection, end_after_this_answer
from web.http.pace import STALLED_S
from web.http.problems import TooMany
from web.http.seats import Seats

log = structlog.get_logger(__name__)

# Behind a longer text, the other streams have their turn.
LONG_BYTES = 4096

Events = AsyncGenerator[bytes, None]


class Streams:
    """All event streams of a process. Safe to share between threads.

    Args:
        number: how many may be open at once.
        each: how many of them may be one client's; 0: all.
        client: says whose the current request is.
    """

    def __init__(self, number: int, each: int = 0, client: Callable[[], str] = lambda: "") -> None:
        self._each, self._client = each, client
        self._of: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._seats = Seats(
            number, "too many event streams are open; poll GET /api/batches/<id> or /api/fleet, or try again"
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def held(self) -> int:
        """Return how many are open."""
        return self._seats.held

    def answer(self, events: Events) -> Response:
        """Return the current request's answer, that goes on with what ``events`` yields until that or the client ends.

        Raises:
            Busy: too many are open.
            TooMany: too many of them are this client's.
        """
        if (client := connection()) is None:
            raise RuntimeError("an event stream needs the connection that its request came by")
        whose = self._client()
        self._take(whose)
        end_after_this_answer()
        chunked = request.environ["SERVER_PROTOCOL"] != "HTTP/1.0"
        answer = Response(_Body(self, client, events, chunked, whose), mimetype="text/event-stream")
        # A proxy must hand each event on at once.
        answer.headers.update({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        return answer

    def finish(self, within_s: float) -> None:
        """Wait for the streams, whose events have ended, to have told the rest; cut off those that take longer."""
        loop = self._loop
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._finish(within_s), loop).result()

    def take(self, client: socket.socket, events: Events, *, chunked: bool, whose: str = "") -> None:
        """Go on with an answer whose head is sent; the connection is this object's from here."""
        client.setblocking(False)
        self._running().call_soon_threadsafe(self._begin, client, events, chunked, whose)

    def release(self, whose: str = "") -> None:
        """Give a stream's place back."""
        self._seats.release()
        with self._counting:
            self._of[whose] -= 1
            if not self._of[whose]:
                del self._of[whose]

    def _take(self, whose: str) -> None:
        with self._counting:
            if self._each and self._of[whose] >= self._each:
                raise TooMany(f"{self._each} event streams of yours are open already; close some, or poll instead")
            self._seats.take()
            self._of[whose] += 1

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="streams", daemon=True).start()
            return self._loop

    def _begin(self, client: socket.socket, events: Events, chunked: bool, whose: str) -> None:
        task = asyncio.get_running_loop().create_task(self._tell(client, events, chunked, whose))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, client: socket.socket, events: Events, chunked: bool, whose: str) -> None:
        transport, task = None, asyncio.current_task()
        assert task
        try:
            transport, ours = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _Connection(task), client
            )
            async with aclosing(events):
                async for data in events:
                    transport.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
                    await ours.has_room.wait()
                    if len(data) > LONG_BYTES:
                        await asyncio.sleep(0)
            transport.write(b"0\r\n\r\n" if chunked else b"")
            transport.close()
            # It ends when all is sent, which cancels this.
            await asyncio.sleep(STALLED_S)
        except Exception as err:
            log.error("stream_broke", exc_info=err)
        finally:
            if transport:
                transport.abort()
            else:
                client.close()
            self.release(whose)

    async def _finish(self, within_s: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for task in self._tasks:
            task.cancel()


class _Body:
    """An answer's body as the server sees it: nothing, and then the connection is another's."""

    def __init__(self, streams: Streams, client: socket.socket, events: Events, chunked: bool, whose: str) -> None:
        self._streams, self._client, self._events, self._chunked = streams, client, events, chunked
        self._whose = whose
        self._taken = False

    def __iter__(self) -> Iterator[bytes]:
        # With its first part, the server sends the answer's head.
        yield b""
        self._taken = True
        taken = socket.socket(fileno=self._client.detach())
        self._streams.take(taken, self._events, chunked=self._chunked, whose=self._whose)
        raise HandedOver

    def close(self) -> None:
        """End an answer that never came to its body: the request was a HEAD, or its client has gone."""
        if not self._taken:
            self._taken = True
            self._streams.release(self._whose)


class _Connection(asyncio.Protocol):
    """A client that only listens: what it sends is not read on, and when it goes, so does the task that tells it.

    Attributes:
        has_room: set while what is written goes out; a client that takes nothing for `STALLED_S` is cut off.
    """

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task
        self._late: asyncio.TimerHandle | None = None
        self.has_room = asyncio.Event()
        self.has_room.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.pause_reading()

    def pause_writing(self) -> None:
        self.has_room.clear()
        self._late = asyncio.get_running_loop().call_later(STALLED_S, self._transport.abort)

    def resume_writing(self) -> None:
        self._keep()
        self.has_room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._keep()
        self._task.cancel()

    def _keep(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
