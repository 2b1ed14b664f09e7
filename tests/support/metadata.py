"""An instance metadata service, version 2, on loopback: a real HTTP server that refuses whoever has no token."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class MetadataService:
    """What an instance finds at 169.254.169.254.

    Args:
        listener: where it answers; on a free port of loopback unless given.

    Attributes:
        found: path below ``meta-data`` -> what is there; everything else is 404.
        asked: the paths that were asked for, with a token.
        tokens: those that are good.
        hangs: set, and no request is answered any more.
    """

    def __init__(self, listener: socket.socket | None = None) -> None:
        self.found: dict[str, str] = {}
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.given = 0
        self.hangs = threading.Event()
        self.released = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
                if urlsplit(self.path).path != "/latest/api/token" or not (ttl.isdigit() and 1 <= int(ttl) <= 21600):
                    return self._answer(400, "")
                service.given += 1
                service.tokens.add(f"token-{service.given}")
                return self._answer(200, f"token-{service.given}")

            def do_GET(self) -> None:
                if self.headers.get("X-aws-ec2-metadata-token") not in service.tokens:
                    return self._answer(401, "")
                path = self.path.removeprefix("/latest/meta-data/")
                service.asked.append(path)
                there = service.at(path)
                return self._answer(404 if there is None else 200, there or "")

            def _answer(self, status: int, body: str) -> None:
                if service.hangs.is_set():
                    service.released.wait(60)
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        listener = listener or socket.create_server(("127.0.0.1", 0))
        self.server = ThreadingHTTPServer(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = listener
        self.server.server_port = listener.getsockname()[1]
        self.server.daemon_threads = True

    def at(self, path: str) -> str | None:
        """Return what is at ``path``; None where nothing is."""
        return self.found.get(path)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def metadata_service() -> Iterator[MetadataService]:
    """Run one."""
    service = MetadataService()
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield service
    finally:
        service.released.set()
        service.server.shutdown()
        thread.join()
        service.server.server_close()
