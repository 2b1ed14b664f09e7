"""A proxy between a client and the embedded cloud: counts calls by action, and breaks those it is told to."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FAULTS = ("500", "503", "403", "expired", "malformed", "reset", "hang", "lost")
# A call that hangs does so for longer than anybody waits.
HANG_S = 60


class FaultProxy:
    """Forwards to ``target``; use it as a context manager.

    Attributes:
        calls: how often each action was called, such as ``ReceiveMessage``.
        headers: those of each action's last call.
        faulted: how many calls each action had broken.
        date_ahead_s: how far the dates of answers are ahead of the truth, in seconds.
    """

    def __init__(self, target: str) -> None:
        self.calls: Counter[str] = Counter()
        self.faulted: Counter[str] = Counter()
        self.date_ahead_s = 0.0
        self.headers: dict[str, dict[str, str]] = {}
        self._faults: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._target = urlsplit(target)
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def endpoint_url(self) -> str:
        """Return the proxy's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fault(self, action: str, kind: str, times: int = 10**9) -> None:
        """Break the next ``times`` calls of ``action`` in the manner ``kind``."""
        assert kind in FAULTS
        self._released.clear()
        self._faults[action] = kind, times

    def mend(self) -> None:
        """Break no call any more; those that hang go on hanging."""
        self._faults.clear()

    def release(self) -> None:
        """Break no call any more, and have those that hang end."""
        self.mend()
        self._released.set()

    def __enter__(self) -> FaultProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                target = self.headers.get("X-Amz-Target", "")
                action = _action(self.command, self.path, target, body)
                proxy.calls[action] += 1
                proxy.headers[action] = dict(self.headers)
                kind = proxy._kind_for(action)
                if kind is None:
                    self._answer(*proxy._forward(self.command, self.path, dict(self.headers), body))
                    return
                proxy.faulted[action] += 1
                if kind == "lost":
                    proxy._forward(self.command, self.path, dict(self.headers), body)
                if kind in ("reset", "lost"):
                    self._reset()
                elif kind == "hang":
                    proxy._released.wait(HANG_S)
                    self._reset()
                else:
                    self._answer(*_broken(kind, bool(target)))

            do_GET = do_PUT = do_DELETE = do_HEAD = do_POST

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in proxy._dated(headers).items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                # To a HEAD request, the length is that of a body which does not come.
                told = {name.lower(): value for name, value in headers.items()} if self.command == "HEAD" else {}
                self.send_header("Content-Length", told.get("content-length", str(len(body))))
                self.end_headers()
                self.wfile.write(body)

            def _reset(self) -> None:
                self.close_connection = True
                # With a linger of zero, closing sends RST.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                try:
                    super().handle()
                except (ConnectionError, ValueError, OSError):
                    self.close_connection = True

            def finish(self) -> None:
                try:
                    super().finish()
                except (ConnectionError, ValueError, OSError):
                    self.close_connection = True

        return Handler

    def _kind_for(self, action: str) -> str | None:
        """Return in which manner this call of ``action`` is to break."""
        with self._lock:
            kind, left = self._faults.get(action, (None, 0))
            if kind is None or left == 0:
                return None
            self._faults[action] = kind, left - 1
            return kind

    def _dated(self, headers: dict[str, str]) -> dict[str, str]:
        if not self.date_ahead_s:
            return headers
        others = {name: value for name, value in headers.items() if name.lower() != "date"}
        return {**others, "Date": formatdate(time.time() + self.date_ahead_s, usegmt=True)}

    def _forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(str(self._target.hostname), self._target.port, timeout=90)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except OSError:
            return 502, {}, b""
        finally:
            connection.close()


def _action(method: str, path: str, target: str, body: bytes) -> str:
    """Return the API's name for a call to SQS (named in a header), SNS (in the body) or S3 (by method and query)."""
    if target:
        return target.rsplit(".", 1)[-1]
    if method == "POST":
        return parse_qs(body.decode(errors="replace")).get("Action", ["?"])[0]
    return "ListObjectsV2" if "list-type=2" in path else f"{method.title()}Object"


def _broken(kind: str, is_json: bool) -> tuple[int, dict[str, str], bytes]:
    if kind == "malformed":
        return 200, {"Content-Type": "application/x-amz-json-1.0"}, b'{"Messages": [{"Body'
    status, code = {
        "500": (500, "InternalError"),
        "503": (503, "ServiceUnavailable"),
        "403": (403, "AccessDenied"),
        "expired": (403 if not is_json else 400, "ExpiredToken"),
    }[kind]
    if is_json:
        body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "injected"}).encode()
        return status, {"Content-Type": "application/x-amz-json-1.0"}, body
    error = f"<Error><Type>Receiver</Type><Code>{code}</Code><Message>injected</Message></Error>"
    text = f"<ErrorResponse>{error}</ErrorResponse>"
    return status, {"Content-Type": "text/xml"}, text.encode()
