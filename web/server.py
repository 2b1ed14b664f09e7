"""The web tier as a process: gunicorn with one worker of many threads, told to stop in a way that ends open streams."""

from __future__ import annotations

import resource
import socket
import threading
import time
from dataclasses import replace
from typing import Any, cast

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication

from app.errors import ConfigurationError
from app.process import tracing
from app.process.address import http_address
from app.process.healthy import why_not
from app.settings import Settings
from web.access.built import check_door
from web.application import create_app
from web.events import Listener
from web.fleet.recall import Recall
from web.http import traced
from web.http.gunicorn_internals import Log, before_a_stop, remember
from web.http.gunicorn_worker import Worker
from web.tier import EXTENSION, Tier

log = structlog.get_logger(__name__)

# What a stopping process gives its uploads to end in; streams end at once.
GRACE_S = 10
# And what streams have for their last bytes, when the uploads have ended.
STREAMS_END_S = 2.0
# So long a step with what is in S3 already may go on; others wait out its lease then.
SOURCES_END_S = 2.0
BACKLOG = 1024
# Connections beside those of the threads, at the least: for requests whose heads are on their way.
ROOM = 64


def serve(settings: Settings) -> None:
    """Serve the page and the API until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the host or the port cannot be had, or strangers could come in.
    """
    check_door(settings)
    fitting, connections = _with_room(settings)
    _Server(fitting, _listen(fitting), connections).run()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn is untyped
    """gunicorn, configured by our settings alone."""

    def __init__(self, settings: Settings, listener: socket.socket, connections: int) -> None:
        self._settings, self._connections, self._address = settings, connections, _address(listener)
        # gunicorn takes the socket by its number, and is its owner from here.
        self._bind = f"fd://{listener.detach()}"
        self._listener: Listener | None = None
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": self._bind,
            "worker_class": Worker,
            "workers": 1,
            "threads": self._settings.web.threads,
            "worker_connections": self._connections,
            "backlog": BACKLOG,
            "keepalive": 30,
            "graceful_timeout": GRACE_S,
            # A proxy is trusted where the settings say so, by the application; by gunicorn, never.
            "forwarded_allow_ips": "",
            "logger_class": Log,
            "pre_request": remember,
            "post_worker_init": self._begin,
            "worker_exit": self._end,
        }
        if "control_socket_disable" in self.cfg.settings:  # gunicorn has control sockets since version 25
            options["control_socket_disable"] = True
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        self._app = create_app(self._settings)
        traced.begin(self._settings.tracing, self._app)
        return self._app

    def _begin(self, worker: object) -> None:
        """In the worker, when it has the application: listen, and end what is open when the worker is to stop."""
        self._tier = cast(Tier, self._app.extensions[EXTENSION])
        before_a_stop(self._tier.close)
        self._listener = Listener(self._tier)
        self._listener.start()
        self._sources = self._tier.runner.start()
        self._recall = Recall(self._settings, self._tier.fleet, self._tier.costs)
        self._recall.start()
        threading.Thread(target=_say_when_ready, args=(self._address,), daemon=True).start()

    def _end(self, arbiter: object, worker: object) -> None:
        """In the worker, when it has served its last request, or could not begin."""
        if self._listener is not None:
            self._recall.stop()
            self._listener.stop()
            self._tier.streams.finish(STREAMS_END_S)
            self._sources.join(SOURCES_END_S)
        tracing.end()


def _with_room(settings: Settings) -> tuple[Settings, int]:
    """Return the settings with as many event streams as there is room for, and how many connections there may be.

    These are beside the streams, and more than threads, for those that wait between two requests. Each is a file
    descriptor, and a thread needs others: for a spooled file, for what it asks of S3 and SQS.

    Raises:
        ConfigurationError: the process may not have as many descriptors as the threads need.
    """
    threads, streams = settings.web.threads, settings.web.streams
    connections, others = 2 * threads + 1000, 2 * threads + 200
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY:
        # Where they are short, a quarter is for connections: a stream begins as one.
        free = most - others
        connections = min(connections, max(threads + ROOM, free // 4, free - streams))
        streams = min(streams, free - connections)
    if streams < 1:
        raise ConfigurationError(
            f"{threads} threads need {threads + ROOM + others + 1} file descriptors, and this process may have {most}; "
            "raise its limit (ulimit -n) or lower ELASTIQ_WEB_THREADS"
        )
    if streams < settings.web.streams:
        log.warning("fewer_streams", streams=streams, wanted=settings.web.streams, reason=f"ulimit -n is {most}")
    wanted = connections + others + streams
    if 0 <= allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return replace(settings, web=replace(settings.web, streams=streams)), connections


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
    return http_address(host, port)


def _say_when_ready(address: str) -> None:
    for _ in range(100):
        reason = why_not(f"{address}/healthz")
        if not reason:
            log.info("web_ready", url=address)
            return
        time.sleep(0.1)
    log.error("web_does_not_answer", url=address, reason=reason)
