"""A crowd of HTTP clients in one thread: uploads that are made together, and thousands of open event streams."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

# Of connections that are being opened at once; more would only wait in the listener's backlog.
OPENED_AT_ONCE = 64


def raise_descriptors() -> None:
    """Let this process have as many connections as its hard limit allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def form(files: Sequence[tuple[str, bytes]], field: str = "files") -> bytes:
    """Return a multipart body, with ``limit`` for its boundary."""
    head = '--limit\r\nContent-Disposition: form-data; name="{}"; filename="{}"\r\n\r\n'
    return b"".join(head.format(field, name).encode() + content + b"\r\n" for name, content in files) + b"--limit--\r\n"


def request(method: str, path: str, body: bytes = b"", *, close: bool = False) -> bytes:
    """Return a request with a multipart body, if with any."""
    kind = "Content-Type: multipart/form-data; boundary=limit\r\n" if body else ""
    last = "Connection: close\r\n" if close else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{kind}{last}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def answers(url: str, requests: Sequence[bytes], at_once: int, *, keep: bool = True) -> list[tuple[int, float]]:
    """Return each request's status and the seconds that it took, made by ``at_once`` clients.

    Args:
        url: the site's.
        requests: made by `request`.
        at_once: clients, each with one request at a time.
        keep: whether a client makes all its requests on one connection.
    """
    left = iter(requests)
    found: list[tuple[int, float]] = []

    async def client() -> None:
        streams = None
        for one in left:
            began = time.monotonic()
            streams = streams or await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
            streams[1].write(one)
            status = await _status(streams[0])
            found.append((status, time.monotonic() - began))
            if not keep:
                streams[1].close()
                streams = None
        if streams:
            streams[1].close()

    await asyncio.gather(*(client() for _ in range(at_once)))
    return found


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return int(head.split()[1])


class Follower(asyncio.Protocol):
    """An event stream: counts what comes, and knows when.

    Attributes:
        text: all that came, chunks' sizes included.
        ended: whether the server has ended it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._awaited: dict[bytes, asyncio.Future[float]] = {}
        self.text = b""
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(request("GET", self._path))

    def data_received(self, data: bytes) -> None:
        """Take note of what has come."""
        self.text += data
        for mark, known in self._awaited.items():
            if not known.done() and mark in self.text:
                known.set_result(time.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that nothing comes any more."""
        self.ended = True
        for known in self._awaited.values():
            if not known.done():
                known.set_exception(ConnectionError(f"the stream ended: {self.text[-200:]!r}"))

    @property
    def refused(self) -> bool:
        """Return whether the answer is no stream."""
        return not self.text.startswith(b"HTTP/1.1 200 ")

    async def until(self, mark: bytes, timeout_s: float = 60) -> float:
        """Return the monotonic time at which ``mark`` had come; chunks must not cut it."""
        known = self._awaited.setdefault(mark, asyncio.get_running_loop().create_future())
        self.data_received(b"")
        return await asyncio.wait_for(known, timeout_s)

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()


async def follow(url: str, path: str, number: int) -> list[Follower]:
    """Open so many streams; return them once each has been answered or has lost its connection."""
    loop, place = asyncio.get_running_loop(), asyncio.Semaphore(OPENED_AT_ONCE)
    host, port = urlsplit(url).hostname, urlsplit(url).port

    async def one() -> Follower:
        async with place:
            _, follower = await loop.create_connection(lambda: Follower(path), host, port)
            with suppress(ConnectionError):
                await follower.until(b"\r\n\r\n")
            return follower

    return list(await asyncio.gather(*(one() for _ in range(number))))
