"""An EC2 to test against: moto, behind a proxy that adds what moto leaves out and what the real one does on bad days.

moto starts ``MinCount`` instances and forgets ClientTokens; EC2 starts as many of ``MaxCount`` as it has room for, and
answers a ClientToken that it knows with the launch that it made for it.
"""

from __future__ import annotations

import re
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import urllib3
from moto.server import ThreadedMotoServer

_ERROR = "<Response><Errors><Error><Code>{0}</Code><Message>{0}, says the test</Message></Error></Errors></Response>"


def nobody(ids: list[str]) -> None:
    """Tell no worker to leave: in these fleets there is none."""


class Ec2Server:
    """Serves EC2's API on loopback.

    ``room`` bounds how many instances a subnet still takes; ``faults`` holds, for each action, what befalls its next
    calls: an error code (400), ``500``, or ``lost``: the call is carried out, the connection closed with no answer.
    ``unlisted`` calls of DescribeInstances answer as if nothing had been launched yet.
    """

    def __init__(self) -> None:
        self.forget()
        self._http = urllib3.PoolManager()
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._proxy.server_port}"

    def start(self) -> None:
        self._moto.start()
        self._upstream = "http://{}:{}".format(*self._moto.get_host_and_port())
        Thread(target=self._proxy.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()
        self._moto.stop()
        self._http.clear()

    def forget(self) -> None:
        """Be as new, but for the instances that there are."""
        self.room: dict[str, int] = {}
        self.faults: dict[str, list[str]] = {}
        self.unlisted = 0
        self.calls: list[dict[str, str]] = []
        self._answers: dict[str, bytes] = {}

    def calls_of(self, action: str) -> list[dict[str, str]]:
        return [call for call in self.calls if call["Action"] == action]

    def answer(self, call: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes] | None:
        """Return status and body; None when the answer is to be lost."""
        self.calls.append(dict(call))
        fault = (self.faults.get(call["Action"]) or [""]).pop(0)
        if fault and fault != "lost":
            return (500, b"") if fault == "500" else (400, _ERROR.format(fault).encode())
        status, body = self._carry_out(call, headers)
        return None if fault == "lost" else (status, body)

    def _carry_out(self, call: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
        if call["Action"] == "RunInstances":
            return self._run_instances(call, headers)
        status, body = self._forward(call, headers)
        if call["Action"] == "DescribeInstances" and self.unlisted > 0:
            self.unlisted -= 1
            body = re.sub(rb"(?s)<reservationSet>.*</reservationSet>", b"<reservationSet/>", body)
        return status, body

    def _run_instances(self, call: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
        token, subnet = call["ClientToken"], call.get("SubnetId", "")
        if token not in self._answers:
            room = min(int(call["MaxCount"]), self.room.get(subnet, 1000))
            if room == 0:
                return 400, _ERROR.format("InsufficientInstanceCapacity").encode()
            status, body = self._forward({**call, "MinCount": str(room)}, headers)
            if status != 200:
                return status, body
            self._answers[token] = body
            self.room[subnet] = self.room.get(subnet, 1000) - room
        return 200, self._answers[token]

    def _forward(self, call: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
        body = urllib.parse.urlencode(call)
        kept = {name: value for name, value in headers.items() if name.lower() not in ("content-length", "host")}
        answer = self._http.request(
            "POST", f"{self._upstream}/", body=body, headers={**kept, "Host": "ec2.amazonaws.com"}
        )
        return answer.status, answer.data

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                answer = server.answer(dict(urllib.parse.parse_qsl(body, keep_blank_values=True)), dict(self.headers))
                if answer is None:
                    self.close_connection = True
                    return
                status, content = answer
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Keep the test's output to what fails."""

        return Handler
