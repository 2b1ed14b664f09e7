"""gunicorn's threaded worker, where no connection has a thread before a head is there and what is no HTTP a problem.

All versions of it take a connection to its threads by ``enqueue_req``; here the connection waits first, in the same
loop, and its bytes stay in the kernel until they are a request's whole head.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from web.http.bodies import READ_BYTES
from web.http.heads import HEAD_BYTES, RefusedHead, is_whole
from web.http.pace import STALLED_S, PacedSocket
from web.http.problems import on_the_wire

log = structlog.get_logger(__name__)

# What a head may take to come, and what is left of that once the worker is to stop.
HEAD_S, LAST_HEAD_S = 15.0, 2.0

# What gunicorn refuses, by its name for it: versions have different ones. Anything else that it refuses is a 400.
_REFUSED = {
    "LimitRequestLine": (HTTPStatus.REQUEST_URI_TOO_LONG, "the request's first line is too long; shorten the address"),
    "LimitRequestHeaders": (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "the request has too many headers or too large ones; send fewer or shorter ones",
    ),
    "ExpectationFailed": (HTTPStatus.EXPECTATION_FAILED, "no expectation but 100-continue is met; leave Expect out"),
    "UnsupportedTransferCoding": (HTTPStatus.NOT_IMPLEMENTED, "the only Transfer-Encoding that is taken is chunked"),
}
# How often at most the kernel is asked for what it still has of a connection that ends.
LAST_READS = 16
_RETRIED_ACCEPT = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR}
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Connection(TConn):  # type: ignore[misc]
    """gunicorn's connection, that never has the loop wait for the client when it ends."""

    def init(self) -> None:
        """Begin to read; as much at once as is asked for, because what gunicorn has beyond that it copies each time."""
        super().init()
        self.parser.unreader.max_body_chunk = READ_BYTES

    def close(self, *_: object, **__: object) -> None:
        """Send what is to be sent and close; gunicorn since version 26 would first wait two seconds for the client."""
        _part(self.sock)
        self.sock.close()


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn is untyped
    """A process of many threads that slow heads take none of.

    Where there are as many connections as may be, the one that has been waiting for its head longest makes room.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Since when each connection has been waiting for its head, the oldest first.
        self._headless: dict[Connection, float] = {}

    def accept(self, *arguments: Any) -> None:
        """Take a connection from the listener, which every version of gunicorn passes last."""
        listener = arguments[-1]
        try:
            client, address = listener.accept()
        except OSError as err:
            if err.errno in _NO_DESCRIPTORS:
                log.error("connection_not_taken", reason=str(err))
                self._end_oldest()
            elif err.errno not in _RETRIED_ACCEPT:
                raise
            return
        self.nr_conns += 1
        paced = PacedSocket(fileno=client.detach())
        self.enqueue_req(Connection(self.cfg, paced, address, listener.getsockname()))

    def enqueue_req(self, conn: Connection) -> None:
        """Give a connection, new or kept alive, a thread as soon as its next request's head is whole."""
        conn.sock.setblocking(False)
        self._headless[conn] = time.monotonic()
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._look, conn))
        self._look(conn)

    def murder_keepalived(self, *arguments: Any, **options: Any) -> None:
        """At every turn of gunicorn's loop: end connections that have waited too long, and make room for another."""
        super().murder_keepalived(*arguments, **options)
        now, limit_s = time.monotonic(), HEAD_S if self.alive else LAST_HEAD_S
        for conn, since in list(self._headless.items()):
            if now - since < limit_s:
                break
            self._give_up(conn, HTTPStatus.REQUEST_TIMEOUT, "the request's head did not come in time; send it at once")
        if self.nr_conns >= self.worker_connections:
            self._end_oldest()

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: Exception) -> None:
        """Answer what gunicorn refuses, or could not do."""
        if isinstance(exc, ParseException) and "Response" not in type(exc).__name__:
            default = HTTPStatus.BAD_REQUEST, f"this is no request as HTTP has them ({exc})"
            status, detail = _REFUSED.get(type(exc).__name__, default)
            log.info("request_refused", status=int(status), reason=str(exc))
        else:
            status, detail = HTTPStatus.INTERNAL_SERVER_ERROR, "this is a fault of ours; the web tier's log says more"
            log.error("request_broke", exc_info=exc)
        _answer(client, status, detail)

    def _look(self, conn: Connection, *_: object) -> None:
        """Look what a connection has sent; nothing is taken from the kernel, where a thread will find it."""
        if conn not in self._headless:  # it was ended in the same turn of the loop
            return
        try:
            sent = _sent(conn.sock)
            # Behind the body of the request before, gunicorn may have read the next one's beginning.
            read = conn.parser.unreader.buf.getvalue() if conn.parser else b""
            if is_whole(read + (sent or b"")):
                self._hand_over(conn)
            elif sent is not None and not _wait_for_more_than(conn.sock, sent):
                self._end(conn)
        except RefusedHead as err:
            self._end(conn, err.status, str(err))
        except OSError:
            self._end(conn)

    def _hand_over(self, conn: Connection) -> None:
        self._forget(conn)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        conn.sock.wait_at_most(STALLED_S)
        super().enqueue_req(conn)

    def _end_oldest(self) -> None:
        if oldest := next(iter(self._headless), None):
            self._give_up(oldest, HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; try again")

    def _give_up(self, conn: Connection, status: HTTPStatus, detail: str) -> None:
        """End a connection that still waits; who has sent nothing has asked nothing and is not answered."""
        begun = conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) > 1
        self._end(conn, status if begun else None, detail)

    def _end(self, conn: Connection, status: HTTPStatus | None = None, detail: str = "") -> None:
        self._forget(conn)
        self.nr_conns -= 1
        if status:
            _answer(conn.sock, status, detail)
        conn.close()

    def _forget(self, conn: Connection) -> None:
        del self._headless[conn]
        self.poller.unregister(conn.sock)


def _sent(client: socket.socket) -> bytes | None:
    """Return what ``client`` has sent and nobody has read, empty if it has ended; None if there is nothing yet."""
    try:
        return client.recv(HEAD_BYTES, socket.MSG_PEEK)
    except BlockingIOError:
        return None


def _wait_for_more_than(client: socket.socket, sent: bytes) -> bool:
    """Have ``client`` count as readable when it has sent more than ``sent``; return False if it never will."""
    if not sent or client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) > len(sent):
        return False  # it counted as readable all the same: that was all, it has ended its side
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(sent) + 1)
    return True


def _answer(client: socket.socket, status: HTTPStatus, detail: str) -> None:
    """Send a problem and end the connection; one that takes no more is not waited for."""
    with suppress(OSError):
        client.setblocking(False)
        client.send(on_the_wire(status, detail))
    _part(client)


def _part(client: socket.socket) -> None:
    """Say that nothing more is sent, and read what has come: the kernel would take an answer back over it."""
    with suppress(OSError):
        client.setblocking(False)
        client.shutdown(socket.SHUT_WR)
        for _ in range(LAST_READS):
            if not client.recv(HEAD_BYTES):
                return
