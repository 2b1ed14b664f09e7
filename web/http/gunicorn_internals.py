"""What this tier needs of gunicorn beyond its settings and hooks; what a new version may change is in gunicorn_*.py."""

from __future__ import annotations

import errno
import signal
import socket
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType
from typing import Any

import gunicorn
from flask import request
from gunicorn.glogging import Logger
from gunicorn.http import errors

# A worker knows two ways to stop; the one that lets requests end is SIGTERM's.
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

# What reading a chunked body raises when the chunks are none; in some versions these are no OSErrors.
BAD_CHUNKS: tuple[type[Exception], ...] = tuple(
    found
    for name in ("InvalidChunkSize", "ChunkMissingTerminator", "InvalidChunkExtension", "InvalidHeader",
                 "InvalidHeaderName", "LimitRequestHeaders", "ObsoleteFolding")
    if (found := getattr(errors, name, None))
)  # fmt: skip
# What reading any body raises when that goes wrong.
UNREADABLE: tuple[type[Exception], ...] = (OSError, *BAD_CHUNKS)

_in_hand = threading.local()


class HandedOver(OSError):
    """Raised by an answer's body when the connection is another's, detached from the socket that gunicorn knows.

    gunicorn takes it for a client that has gone, which ends a request without a word and without an error.
    """

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, "the connection is another's now")


def remember(worker: object, request: Any) -> None:
    """Keep the request that a thread has in hand; it is gunicorn's hook ``pre_request``."""
    _in_hand.request = request


def end_after_this_answer() -> None:
    """Have the answer to the current request say that its connection ends with it, and end it then."""
    if (request := getattr(_in_hand, "request", None)) is not None:
        request.force_close()


def connection() -> socket.socket | None:
    """Return the connection that the current request came by; None where another server than gunicorn took it."""
    found: socket.socket | None = request.environ.get("gunicorn.socket")
    return found


def before_a_stop(act: Callable[[], None]) -> None:
    """Have a worker that is told to stop, in whatever way, call ``act`` and then let its requests end.

    It is to be called in the worker, by gunicorn's hook ``post_worker_init``.

    Args:
        act: is called once, in a thread of its own.

    Raises:
        RuntimeError: this gunicorn has no handler of SIGTERM by then.
    """
    gunicorns = signal.getsignal(signal.SIGTERM)
    if not callable(gunicorns):
        raise RuntimeError(f"gunicorn {gunicorn.__version__} differs: its worker does not handle SIGTERM by itself")
    stopping: SimpleQueue[int] = SimpleQueue()

    def stop(signum: int, frame: FrameType | None) -> None:
        # A signal handler must take no lock; this put takes none.
        stopping.put(signum)
        gunicorns(signum, frame)

    def wait() -> None:
        stopping.get()
        act()

    threading.Thread(target=wait, name="stopping", daemon=True).start()
    for signum in _STOPS:
        signal.signal(signum, stop)
        signal.siginterrupt(signum, False)


class Log(Logger):  # type: ignore[misc]  # gunicorn is untyped
    """gunicorn's log through ours: its warnings and errors, in the form of all others."""

    def setup(self, cfg: Any) -> None:
        """Do as gunicorn does, and then hand everything on to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel("WARNING")
