"""The web tier as a process: gunicorn with one worker of many threads, told to stop in a way that ends open streams."""

from __future__ import annotations

import socket
import threading
import time
from types import FrameType
from typing import Any, cast

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from app.errors import ConfigurationError
from app.process.healthy import why_not
from app.settings import Settings
from web.application import create_app
from web.events import Listener
from web.tier import EXTENSION, Tier

log = structlog.get_logger(__name__)

# What a stopping process gives its uploads to end in; streams end at once.
GRACE_S = 10
BACKLOG = 1024


def serve(settings: Settings) -> None:
    """Serve the page and the API until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the host or the port cannot be had.
    """
    _Server(settings, _listen(settings)).run()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn is untyped
    """gunicorn, configured by our settings alone."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings, self._address = settings, _address(listener)
        # gunicorn takes the socket by its number, and is its owner from here.
        self._bind = f"fd://{listener.detach()}"
        super().__init__()

    def load_config(self) -> None:
        threads = self._settings.web.threads
        options: dict[str, Any] = {
            "bind": self._bind,
            "worker_class": _Worker,
            "workers": 1,
            "threads": threads,
            # More connections than threads, for those that are kept alive between two requests.
            "worker_connections": 2 * threads + 1000,
            "backlog": BACKLOG,
            "keepalive": 30,
            "graceful_timeout": GRACE_S,
            "logger_class": _Log,
            "control_socket_disable": True,
            "post_worker_init": self._announce,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._settings)

    def _announce(self, worker: _Worker) -> None:
        threading.Thread(target=_say_when_ready, args=(self._address,), daemon=True).start()


class _Worker(ThreadWorker):  # type: ignore[misc]
    """A worker whose open streams and waiting requests end when it is told to stop."""

    def run(self) -> None:
        listener = Listener(self._tier)
        listener.start()
        super().run()
        listener.stop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # A signal handler must take no lock: the main loop does it, right after.
        self.method_queue.defer(self._tier.close)
        super().handle_exit(sig, frame)

    # Ctrl-C reaches the worker itself too. It ends like any stop: the uploads under way are not lost.
    handle_quit = handle_exit

    @property
    def _tier(self) -> Tier:
        return cast(Tier, self.wsgi.extensions[EXTENSION])


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's log through ours: its warnings and errors, in the form of all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel("WARNING")


def _listen(settings: Settings) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(settings.web.host, settings.web.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as err:
        raise ConfigurationError(
            f"cannot listen on {settings.web.host} port {settings.web.port} ({err}); "
            "set ELASTIQ_HOST to an address of this machine and ELASTIQ_PORT to a free port, or to 0 for any"
        ) from err


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # reachable from elsewhere; from here it is loopback
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say_when_ready(address: str) -> None:
    for _ in range(100):
        reason = why_not(f"{address}/healthz")
        if not reason:
            log.info("web_ready", url=address)
            return
        time.sleep(0.1)
    log.error("web_does_not_answer", url=address, reason=reason)
