"""Requests that wait, for news, a label, a bucket or a body, take no thread from the others and from the page."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.client.files import File
from app.client.remote import Remote
from app.local import EmbeddedCloud
from tests.support import photographs
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import wait_for
from tests.support.web import Labeller, Site

CAT = photographs.chelsea()
# Of 40 threads, one reads batches and 19 open streams; those who ask are more than all threads.
THREADS, ASKING = 40, 60

Serve = Callable[..., Site]


@pytest.mark.parametrize(
    ("paths", "seats", "reason"),
    [
        (["", "/results.csv"], 1, "too many batches are being read; try again"),
        (["/events"], 19, "too many event streams are being opened; poll GET /api/batches/<id>, or try again"),
    ],
    ids=["reading a batch", "opening a stream"],
)
def test_while_a_bucket_does_not_answer_those_who_need_it_leave_threads_for_everyone_else(
    serve: Serve, cloud: EmbeddedCloud, paths: list[str], seats: int, reason: str
) -> None:
    with FaultProxy(cloud.endpoint_url) as proxy, ThreadPoolExecutor(ASKING) as pool:
        site = serve(ELASTIQ_WEB_THREADS=str(THREADS), AWS_ENDPOINT_URL=proxy.endpoint_url)
        id = site.upload(("a.png", CAT))["id"]
        site.classify(f"{id}/a.png")
        proxy.fault("ListObjectsV2", "hang")
        urls = [f"/api/batches/{id}{path}" for path in paths]
        asking = [pool.submit(site.get, urls[n % len(urls)]) for n in range(ASKING)]
        answered = as_completed(asking, 50)
        refused = [next(answered).result() for _ in range(ASKING - seats)]
        assert {answer.status for answer in refused} == {503}
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        assert {answer.json()["detail"] for answer in refused} == {reason}

        assert site.get("/healthz").status == 200
        assert site.upload(("b.png", CAT))["accepted"] == 1
        assert sum(not one.done() for one in asking) == seats

        proxy.release()
        assert [one.result().status for one in answered] == [200] * seats


def test_reading_what_is_not_there_gives_the_seat_back(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8")
    id = site.upload(("a.png", CAT))["id"]
    for path in ("", "/results.csv", "/events") * 2:
        assert site.get(f"/api/batches/20200101T000000000Z-00000000{path}").status == 404
    assert site.batch(id)["counts"]["total"] == 1


def test_streams_beyond_their_number_are_told_to_poll_and_take_nothing_from_uploads(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8", ELASTIQ_WEB_STREAMS="4")
    id = site.upload(("a.png", CAT))["id"]
    streams = [site.events(id) for _ in range(4)]
    for stream in streams:
        stream.until("image-waiting")
    refused = site.get(f"/api/batches/{id}/events")
    assert refused.status == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert "poll GET" in refused.json()["detail"]
    assert site.batch(id)["counts"]["waiting"] == 1
    assert site.upload(("b.png", CAT), path=f"/api/batches/{id}/images")["accepted"] == 1
    streams[0].close()
    wait_for(lambda: site.events(id).answer.status == 200, 30)


def test_requests_beyond_their_number_are_told_to_try_again(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="11")
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(site.post, "/", fields={"myfile": (f"{n}.png", CAT)}) for n in range(2)]
        wait_for(lambda: site.queued() == 2, 20)
        refused = site.post("/", fields={"myfile": ("c.png", CAT)})
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert site.upload(("d.png", CAT))["accepted"] == 1
        with Labeller(site):
            assert [answer.result(20).status for answer in waiting] == [200, 200]


def test_a_client_that_hangs_up_frees_its_waiting_seat(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="11")
    address = urlsplit(site.url).hostname, urlsplit(site.url).port
    body = b'--limit\r\nContent-Disposition: form-data; name="myfile"; filename="%d.png"\r\n\r\n%s\r\n--limit--\r\n'
    for n in range(2):
        one = body % (n, CAT)
        with socket.create_connection(address) as connection:
            head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(one)}\r\n"
            kind = "Content-Type: multipart/form-data; boundary=limit\r\n\r\n"
            connection.sendall((head + kind).encode() + one)
            wait_for(lambda n=n: site.queued() == n + 1, 20)

    def free() -> bool:
        answer = site.post("/", fields={"myfile": ("x.jpg", b"text")})
        return bool(answer.status == 422)

    wait_for(free, 30)


BOUNDARY = b'--limit\r\nContent-Disposition: form-data; name="files"; filename="slow.png"\r\n\r\n'


def test_bodies_that_trickle_leave_the_page_and_streams_alone_and_uploads_wait_for_a_seat(
    serve: Serve, tmp_path: Path
) -> None:
    site = serve(ELASTIQ_WEB_THREADS=str(THREADS))
    id = site.upload(("a.png", CAT))["id"]
    with ExitStack() as opened:
        slow = [opened.enter_context(trickling(site, f"/api/batches/{id}/images")) for _ in range(THREADS)]

        def is_full() -> bool:
            # What is asked here may take a seat from the slow ones, and gives it back.
            slow.append(opened.enter_context(trickling(site, f"/api/batches/{id}/images")))
            return bool(site.post("/api/batches", fields={"files": ("b.png", CAT)}).status == 503)

        wait_for(is_full, 20)
        slow += [opened.enter_context(trickling(site, path)) for path in ("/api/batches", "/", "/healthz") * 40]
        for client in slow:
            with suppress(OSError):  # those beyond the seats have had their answer
                client.sendall(b"x")
        site.http.clear()  # a connection on which an upload was refused may be ending
        answers = [site.get(path) for path in ("/healthz", "/", "/monitor", f"/api/batches/{id}")]
        assert [answer.status for answer in answers] == [200] * 4
        stream = site.events(id)
        assert stream.until("image-waiting")
        stream.close()
        refused = site.post("/api/batches", fields={"files": ("b.png", CAT)})
        assert (refused.status, refused.json()["detail"]) == (503, "too many uploads are under way; try again")
        assert int(refused.headers["Retry-After"]) > 0
        with ThreadPoolExecutor(1) as pool:
            (tmp_path / "honest.png").write_bytes(CAT)
            file = File("honest.png", "honest.png", tmp_path / "honest.png", len(CAT))
            honest = pool.submit(Remote(site.url).add, id, [file])
            for client in slow:
                client.close()
            assert honest.result(60)[0]["state"] == "waiting"


def connected(site: Site) -> socket.socket:
    return socket.create_connection((urlsplit(site.url).hostname, urlsplit(site.url).port), timeout=60)


@contextmanager
def trickling(site: Site, path: str) -> Iterator[socket.socket]:
    """A request whose head is whole and whose body has only begun."""
    with connected(site) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
        client.sendall(head.encode() + b"Content-Type: multipart/form-data; boundary=limit\r\n\r\n" + BOUNDARY)
        yield client
