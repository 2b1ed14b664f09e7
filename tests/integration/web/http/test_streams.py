"""Event streams of the real process: a thousand at once, slow ones, lost ones, and how they end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import psutil
import pytest

from app.announcements import ImageClassified
from app.domain import Classification, Prediction
from tests.support import crowd, photographs
from tests.support.fleet import Announcer
from tests.support.loops import run
from tests.support.waiting import wait_for
from tests.support.web import Site

CAT = photographs.chelsea()
MANY = 1000

Serve = Callable[..., Site]


def worker(site: Site) -> psutil.Process:
    (process,) = psutil.Process(site.process.pid).children()
    return process


def connected(site: Site) -> socket.socket:
    return socket.create_connection((urlsplit(site.url).hostname, urlsplit(site.url).port), timeout=60)


def whole(client: socket.socket) -> bytes:
    """Return all that comes until the server ends the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def is_open(site: Site) -> float:
    """Return how many streams the process says are open."""
    line = next(one for one in site.get("/metrics").data.decode().splitlines() if one.startswith("elastiq_event_str"))
    return float(line.split()[-1])


def test_a_label_reaches_a_thousand_open_pages_and_uploads_go_on_meanwhile(heard: Site, announce: Announcer) -> None:
    crowd.raise_descriptors()
    id = heard.upload(("a.png", CAT), ("b.png", CAT))["id"]
    upload = crowd.request("POST", "/api/batches", crowd.form([("c.png", CAT)]))

    async def told() -> None:
        threads = worker(heard).num_threads()
        pages = await crowd.follow(heard.url, f"/api/batches/{id}/events", MANY)
        await asyncio.gather(*(page.until(b"event: current") for page in pages))
        assert is_open(heard) == MANY
        assert worker(heard).num_threads() < threads + MANY / 4
        for name in ("a", "b"):
            what = ImageClassified(Classification.of(f"{id}/{name}.png", [Prediction(f"cat {name}", 0.9)], "m"))
            seen = asyncio.gather(*(page.until(f'"label": "cat {name}"'.encode()) for page in pages))
            uploads = crowd.answers(heard.url, [upload] * 5, 2)
            await asyncio.to_thread(announce.say, what)
            assert {status for status, _ in await uploads} == {201}
            await seen
        for page in pages:
            page.close()

    run(told())
    wait_for(lambda: not is_open(heard), 30)


def test_who_opens_and_shuts_pages_leaves_nothing_behind(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_STREAMS="20")
    id = site.upload(("a.png", CAT))["id"]

    async def look() -> None:
        for page in await crowd.follow(site.url, f"/api/batches/{id}/events", 20):
            await page.until(b"event: current")
            page.close()

    run(look())
    wait_for(lambda: not is_open(site), 20)
    descriptors = worker(site).num_fds()
    for _ in range(3):
        run(look())
        wait_for(lambda: not is_open(site), 20)
    assert worker(site).num_fds() <= descriptors + 10
    assert not site.logged("stream_broke")
    assert "rror" not in site.log.read_text()


@pytest.mark.parametrize(
    ("version", "head", "end"),
    [("1.1", b"transfer-encoding: chunked", b"\r\n0\r\n\r\n"), ("1.0", b"connection: close", b'"cancelled": 0}\n\n')],
)
def test_a_stream_ends_as_its_client_s_http_has_it(site: Site, version: str, head: bytes, end: bytes) -> None:
    id = site.upload(("a.png", CAT))["id"]
    site.classify(f"{id}/a.png")
    with connected(site) as client:
        client.sendall(f"GET /api/batches/{id}/events HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        answer = whole(client)
    begun, _, body = answer.partition(b"\r\n\r\n")
    assert head in begun.lower()
    assert b"connection: close" in begun.lower()
    assert b"retry: 2000\n\n" in body
    assert b"event: done" in body
    assert body.endswith(end)


def test_to_ask_for_a_stream_s_head_alone_takes_no_place(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_STREAMS="1")
    id = site.upload(("a.png", CAT))["id"]
    for _ in range(3):
        assert site.http.request("HEAD", f"{site.url}/api/batches/{id}/events").status == 200
    assert site.events(id).until("current")


def test_what_a_client_says_behind_its_request_is_not_listened_to(site: Site) -> None:
    id = site.upload(("a.png", CAT))["id"]
    with connected(site) as client:
        client.sendall(f"GET /api/batches/{id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(100)
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        site.classify(f"{id}/a.png")
        found = b""
        while b"event: done" not in found:
            data = client.recv(65536)
            assert data
            found += data
        assert b'"status"' not in found


def test_a_stop_ends_all_streams_with_their_last_word(serve: Serve) -> None:
    site = serve()
    id = site.upload(("a.png", CAT))["id"]

    async def follow() -> list[crowd.Follower]:
        pages = await crowd.follow(site.url, f"/api/batches/{id}/events", 50)
        await asyncio.gather(*(page.until(b"event: current") for page in pages))
        assert await asyncio.to_thread(site.stop) == 0
        await asyncio.gather(*(page.until(b"\r\n0\r\n\r\n") for page in pages))
        return pages

    assert len(run(follow())) == 50


def test_a_refused_upload_whose_rest_is_not_read_says_that_its_connection_ends(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8")
    head = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with connected(site) as heard:
        # One body is heard out at a time with so few threads: the first is, while it comes.
        heard.sendall(head + b"x")
        wait_for(lambda: b"connection: close" in answered(site, head + b"x"), 20)


def answered(site: Site, request: bytes) -> bytes:
    """Return the head of the answer, in small letters."""
    with connected(site) as client:
        client.sendall(request)
        answer = client.recv(65536).lower()
    assert answer.startswith(b"http/1.1 405 ")
    return answer
