"""The server among clients that are slow, silent, many or no HTTP clients at all: through the real process."""

from __future__ import annotations

import json
import re
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psutil
import pytest

from tests.support.waiting import wait_for
from tests.support.web import Site

HALF = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

Serve = Callable[..., Site]


@contextmanager
def connections(site: Site, number: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections, that have each sent the same."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    address = urlsplit(site.url).hostname, urlsplit(site.url).port
    with ExitStack() as opened:
        clients = [opened.enter_context(socket.create_connection(address, timeout=60)) for _ in range(number)]
        for client in clients:
            client.sendall(sent)
        yield clients


def answer(client: socket.socket) -> bytes:
    """Return all that comes until the server ends the connection."""
    found = b""
    while data := client.recv(65536):
        found += data
    return found


def worker(site: Site) -> psutil.Process:
    (process,) = psutil.Process(site.process.pid).children()
    return process


def is_answered(site: Site, times: int = 5) -> bool:
    """Return whether the server answers on new connections, each within a generous time."""
    for _ in range(times):
        with connections(site, 1, WHOLE.replace(b"Host", b"Connection: close\r\nHost")) as (client,):
            if not answer(client).startswith(b"HTTP/1.1 200 "):
                return False
    return True


def test_hundreds_of_half_heads_take_no_thread_and_end_with_what_was_wrong(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="16")
    assert is_answered(site)
    before = worker(site).num_threads()
    with connections(site, 400, HALF) as clients:
        assert is_answered(site)
        # Nor has each of the 16 threads for requests begun yet, or what begins by itself.
        assert worker(site).num_threads() < before + 16
        answers = [answer(client) for client in clients]
    (late,) = {re.sub(rb"X-Request-Id: [0-9a-f]{16}\r\n", b"", one) for one in answers}
    assert len(set(answers)) == len(answers), "each has an id of its own"
    assert late.startswith(b"HTTP/1.1 408 ")
    assert "did not come in time" in json.loads(late.partition(b"\r\n\r\n")[2])["detail"]


def test_half_heads_behind_a_request_take_no_thread_either(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="16")
    with connections(site, 100, WHOLE + HALF) as clients:
        for client in clients:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert is_answered(site)


def test_more_silent_connections_than_may_be_leave_room_for_who_asks(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="16")
    most = 2 * 16 + 1000
    with connections(site, most + 200) as clients:
        assert is_answered(site)
        taken = [found for found in worker(site).net_connections() if found.status == "ESTABLISHED" and found.raddr]
        assert len(taken) <= most + 50  # some are to the cloud
        assert clients[0].recv(1) == b""  # the oldest made room


def test_a_head_that_comes_byte_by_byte_is_a_request(site: Site) -> None:
    with connections(site, 1) as (client,):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in WHOLE:
            client.sendall(bytes([byte]))
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_requests_behind_each_other_are_all_answered(site: Site) -> None:
    last = WHOLE.replace(b"Host", b"Connection: close\r\nHost")
    with connections(site, 1, WHOLE + WHOLE + last) as (client,):
        assert answer(client).count(b"HTTP/1.1 200 ") == 3


def test_clients_that_do_not_hang_up_after_their_answer_keep_nobody_waiting(site: Site) -> None:
    with connections(site, 100, WHOLE.replace(b"Host", b"Connection: close\r\nHost")) as clients:
        for client in clients:
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert is_answered(site)


def test_a_client_that_goes_in_the_middle_of_a_head_is_forgotten(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="16")
    before = worker(site).num_fds()
    with connections(site, 100, HALF):
        wait_for(lambda: worker(site).num_fds() >= before + 100, 20)
    wait_for(lambda: worker(site).num_fds() < before + 50, 10)


def test_nobody_is_believed_to_be_a_proxy_that_the_settings_do_not_name(site: Site) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "x", "X-Forwarded-Prefix": "/x", "SCRIPT_NAME": "/x"}
    made = site.post("/api/batches", headers=headers).json()
    assert made["url"] == f"{site.url}/batches/{made['id']}"


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        (b"HELO example.org\r\n\r\n", 400, "no request as HTTP has them"),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400, "end each in CR LF"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n", 400, "no request as HTTP has them"),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "shorten the address"),
        (b"GET /" + b"x" * 70_000, 414, "shorten the address"),
        (WHOLE.replace(b"Host", b"Expect: a-miracle\r\nHost"), 417, "100-continue"),
        (WHOLE.replace(b"Host", b"X: " + b"x" * 9000 + b"\r\nHost"), 431, "fewer or shorter"),
        (WHOLE.replace(b"Host", b"".join(b"X%d: x\r\n" % n for n in range(150)) + b"Host"), 431, "fewer or shorter"),
        (WHOLE.replace(b"Host", b"".join(b"X%d: %0999d\r\n" % (n, n) for n in range(90)) + b"Host"), 431, "fewer"),
        (WHOLE.replace(b"Host", b"Transfer-Encoding: rot13\r\nHost"), 501, "chunked"),
    ],
)  # fmt: skip
def test_what_the_server_itself_refuses_is_a_problem(site: Site, sent: bytes, status: int, detail: str) -> None:
    with connections(site, 1, sent) as (client,):
        head, _, body = answer(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == status
    assert detail in json.loads(body)["detail"]
