"""A receiver of webhooks: a real HTTP server that keeps what it was sent, and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """What it was sent, and how it answers.

    Attributes:
        messages: each request's path, headers and body.
        statuses: the answers to come; then 204.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.messages: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []

    @property
    def host(self) -> str:
        """Return how it is listed."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run one on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.messages.append((self.path, dict(self.headers), body))
            self.send_response(made.statuses.pop(0) if made.statuses else 204)
            self.send_header("Location", f"{made.host}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(server.server_address[1])
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
