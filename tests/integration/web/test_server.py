"""The web tier as a process: how it starts, and how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psutil
import pytest

from tests.support import photographs
from tests.support.waiting import wait_for
from tests.support.web import ROOT, Site

CAT = photographs.chelsea()

Serve = Callable[..., Site]


def test_it_announces_its_address_once_that_answers(serve: Serve) -> None:
    site = serve()
    (ready,) = site.logged("web_ready")
    assert urlsplit(ready["url"]).hostname == "127.0.0.1"
    assert site.get("/healthz").status == 200


def test_a_stop_ends_open_streams_and_waiting_requests_and_leaves_no_process(serve: Serve) -> None:
    site = serve()
    id = site.upload(("a.png", CAT))["id"]
    stream = site.events(id)
    stream.until("current")
    children = psutil.Process(site.process.pid).children()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(site.post, "/", fields={"myfile": ("b.png", CAT)})
        wait_for(lambda: site.queued() == 2, 20)
        assert site.stop() == 0
        answer = waiting.result(10)
    assert stream.next() is None
    assert answer.status == 503
    assert "stopping" in answer.json()["detail"]
    assert not any(child.is_running() for child in children)


def by_a_ctrl_c(site: Site) -> int:
    """Stop it as a terminal does: every process of its group at once."""
    os.killpg(site.process.pid, signal.SIGINT)
    return site.process.wait(30)


@pytest.mark.parametrize("stop", [Site.stop, by_a_ctrl_c], ids=["SIGTERM", "Ctrl-C"])
def test_a_stop_lets_an_upload_end(serve: Serve, stop: Callable[[Site], int]) -> None:
    site = serve()
    id = site.upload(("first.png", CAT))["id"]
    stream = site.events(id)
    stream.until("current")
    part = b'--limit\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n%s\r\n--limit--\r\n'
    body = part % CAT
    head = (
        f"POST /api/batches/{id}/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\nContent-Type: multipart/form-data; boundary=limit\r\n\r\n"
    )
    address = urlsplit(site.url).hostname, urlsplit(site.url).port
    with ThreadPoolExecutor(1) as pool, socket.create_connection(address) as connection:
        connection.sendall(head.encode())
        assert b" 100 " in connection.recv(4096), "a thread has it in hand"
        connection.sendall(body[:100])
        stopped = pool.submit(stop, site)
        assert stream.next() is None, "the stop has begun"
        connection.sendall(body[100:])
        assert b" 201 " in connection.recv(4096)
        assert stopped.result(30) == 0
    assert site.queued() == 2


def test_a_port_that_is_taken_is_said_to_be_with_what_to_do(serve: Serve) -> None:
    site = serve()
    environment = {**site.environment, "ELASTIQ_PORT": str(urlsplit(site.url).port)}
    second = subprocess.run(
        [sys.executable, "-m", "app.cli", "web"], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 2
    assert "ELASTIQ_PORT" in second.stderr
    assert "Traceback" not in second.stderr
