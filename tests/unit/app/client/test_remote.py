"""The HTTP API as a client uses it: sent again until answered, refused for good at once, no news lost or told twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from app.client import patience
from app.client import remote as module
from app.client.files import File
from app.client.form import Unreadable
from app.client.patience import Lost
from app.client.remote import Complete, Remote, Waits
from app.errors import ConfigurationError, TransientError
from app.local.cloud import free_port

IMAGES = [{"key": "b/cat.png", "state": "waiting"}]


@dataclass
class Asked:
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Tier:
    """Answers requests with what it is told, in order; a body that is None cuts the connection."""

    url: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


@pytest.fixture
def tier() -> Iterator[Tier]:
    tier = Tier()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            tier.asked.append(Asked(f"{self.command} {self.path}", dict(self.headers), body))
            status, content = tier.answers.pop(0)
            self.close_connection = True
            if content is None:
                return
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    tier.url = f"http://127.0.0.1:{server.server_port}"
    yield tier
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pauses that a client makes."""
    monkeypatch.setattr(patience, "LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "POLL_S", 0.0)
    monkeypatch.setattr(module, "AGAIN_S", 0.0)


@pytest.fixture
def cat(tmp_path: Path) -> File:
    return lying(tmp_path / "cat.png", b"a cat")


def lying(path: Path, data: bytes, sent: str = "") -> File:
    """A file on the disk."""
    path.write_bytes(data)
    return File(str(path), sent or path.name, path, len(data))


def keys(remote: Remote, count: int) -> list[str]:
    """The keys of the next images in the news of a batch."""
    images = (told for told in remote.news("b") if isinstance(told, dict))
    return [str(image["key"]) for image in islice(images, count)]


def event(kind: str, id: str, **data: object) -> bytes:
    return f"event: {kind}\nid: {id}\ndata: {json.dumps(data)}\n\n".encode()


def test_a_batch_is_asked_for_and_named(tier: Tier) -> None:
    tier.answers = [(201, {"id": "20261124T101530123Z-9f2c01ab"})]

    assert Remote(f"{tier.url}/").new_batch() == "20261124T101530123Z-9f2c01ab"
    assert [asked.line for asked in tier.asked] == ["POST /api/batches"]


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://127.0.0.1", "/api", "http://::1:8000", "http://[::1"])
def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is not an address such as http://127\.0\.0\.1:8000"):
        Remote(url)


def test_where_nobody_answers_it_says_what_to_start() -> None:
    with pytest.raises(ConfigurationError, match=r"no web tier answers at .* start one with `make run`"):
        Remote(f"http://127.0.0.1:{free_port()}").new_batch()


def test_where_something_else_answers_it_asks_whether_this_is_the_address(tier: Tier) -> None:
    tier.answers = [(201, b"<html>")]

    with pytest.raises(ConfigurationError, match="is this the address of a web tier"):
        Remote(tier.url).new_batch()


def test_files_go_as_a_browser_sends_them(tier: Tier, tmp_path: Path) -> None:
    names = ['2023/a "quoted" name.png', "café.png", "100%.png"]
    files = [lying(tmp_path / str(n), name.encode() * 3, name) for n, name in enumerate(names)]
    tier.answers = [(201, {"images": IMAGES})]

    assert Remote(tier.url).add("b", files) == IMAGES
    (asked,) = tier.asked
    assert asked.line == "POST /api/batches/b/images"
    boundary = asked.headers["Content-Type"].removeprefix("multipart/form-data; boundary=").encode()
    first, *parts, end = asked.body.split(b"--" + boundary)
    assert (first, end) == (b"", b"--\r\n")
    told = [name.replace('"', "%22").encode() for name in names]
    assert parts == [
        b'\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n' % (as_told, name.encode() * 3)
        for as_told, name in zip(told, names, strict=True)
    ]


@pytest.mark.usefixtures("hurried")
def test_an_upload_is_sent_again_whole_until_it_is_answered(tier: Tier, cat: File) -> None:
    tier.answers = [(503, {"detail": "busy"}), (0, None), (429, {"detail": "slower"}), (201, {"images": IMAGES})]
    said: list[str] = []

    assert Remote(tier.url, 60, said.append).add("b", [cat]) == IMAGES
    assert len(tier.asked) == 4
    assert all(b"a cat" in asked.body for asked in tier.asked)
    assert said == [f"no answer from {tier.url} (busy); trying again for up to 60 s", f"{tier.url} answers again"]


def test_an_upload_is_given_up_when_patience_is_at_its_end_with_the_reason(tier: Tier, cat: File) -> None:
    tier.answers = [(503, {"detail": "the disk is full"})]

    with pytest.raises(Lost, match=r"no answer for 0 s \(the disk is full\); given up"):
        Remote(tier.url, patience_s=0).add("b", [cat])
    assert len(tier.asked) == 1


def test_what_is_refused_for_good_is_not_sent_again(tier: Tier, cat: File) -> None:
    tier.answers = [(413, {"detail": "that is too much"})]

    with pytest.raises(ConfigurationError, match="that is too much"):
        Remote(tier.url).add("b", [cat])
    assert len(tier.asked) == 1


def test_a_file_that_is_gone_meanwhile_is_named(tier: Tier, cat: File, tmp_path: Path) -> None:
    other = lying(tmp_path / "cup.png", b"a cup")
    cat.content.unlink()

    with pytest.raises(Unreadable, match="No such file or directory") as caught:
        Remote(tier.url).add("b", [other, cat])
    assert caught.value.file is cat
    assert tier.asked == []


def test_an_answer_without_images_has_none(tier: Tier, cat: File) -> None:
    tier.answers = [(201, {}), (201, {"images": None}), (201, [])]

    assert [Remote(tier.url).add("b", [cat]) for _ in range(2)] == [[], []]
    with pytest.raises(ConfigurationError, match="is this the address of a web tier"):
        Remote(tier.url).add("b", [cat])


def test_news_are_told_up_to_the_end_of_the_batch(tier: Tier) -> None:
    waits = event("waits", "", code="starting", says="an instance is starting")
    told = [event("image-classified", "1", key="b/a"), event("fleet", "9", n=1), event("image-failed", "2", key="b/b")]
    body = b": a comment\n\n" + b"".join([*told, event("waits", ""), waits, event("done", "3")])
    tier.answers = [(200, body + event("image-failed", "4"))]

    assert list(islice(Remote(tier.url).news("b"), 4)) == [
        {"key": "b/a"},
        {"key": "b/b"},
        Waits("starting", "an instance is starting"),
        Complete(),
    ]
    assert tier.asked[0].line == "GET /api/batches/b/events"


@pytest.mark.usefixtures("hurried")
def test_after_a_cut_the_news_go_on_behind_the_last_one(tier: Tier) -> None:
    tier.answers = [
        (200, event("image-classified", "7", key="b/a") + b"event: image-classified\nid: 8\ndata: {"),
        (200, event("image-classified", "8", key="b/b")),
    ]

    assert keys(Remote(tier.url), 2) == ["b/a", "b/b"]
    assert [asked.headers["Last-Event-ID"] for asked in tier.asked] == ["", "7"]


@pytest.mark.usefixtures("hurried")
def test_where_no_stream_is_to_be_had_the_batch_is_read_behind_the_last_news(tier: Tier) -> None:
    waits = {"code": "held", "says": "the autoscaler holds"}
    tier.answers = [
        (200, event("image-classified", "7", key="b/a")),
        (503, {"detail": "every seat is taken"}),
        (200, {"cursor": "9", "images": [{"key": "b/b"}], "counts": {"waiting": 1}, "waits": waits}),
        (503, {"detail": "every seat is taken"}),
        (200, {"cursor": "9", "images": [], "counts": {"waiting": 0}, "waits": None}),
    ]

    assert list(islice(Remote(tier.url).news("b"), 4)) == [
        {"key": "b/a"},
        {"key": "b/b"},
        Waits("held", "the autoscaler holds"),
        Complete(),
    ]
    lines = [asked.line for asked in tier.asked if "events" not in asked.line]
    assert lines == ["GET /api/batches/b?after=7", "GET /api/batches/b?after=9"]


@pytest.mark.usefixtures("hurried")
def test_while_the_tier_is_away_that_is_said_once_and_that_it_is_back(tier: Tier) -> None:
    tier.answers = [(0, None), (0, None), (200, event("image-classified", "1", key="b/a"))]
    said: list[str] = []

    assert keys(Remote(tier.url, 60, said.append), 1) == ["b/a"]
    assert len(said) == 2
    assert said[0].startswith(f"no answer from {tier.url} (")
    assert said[1] == f"{tier.url} answers again"


def test_a_tier_that_stays_away_is_given_up_with_the_reason() -> None:
    remote = Remote(f"http://127.0.0.1:{free_port()}", patience_s=0)

    with pytest.raises(Lost, match=r"no answer for 0 s \(Connection refused\); given up"):
        next(remote.news("b"))


def test_the_files_of_a_batch_are_asked_for_until_all_are_told(tier: Tier) -> None:
    file = {"key": "b/a b.png", "path": "a b.png", "size": 3, "stored_at": "2026-11-24T10:15:30+00:00"}
    tier.answers = [
        (200, {"files": [file], "next": "a b.png"}),
        (200, {"files": [{**file, "key": "b/c", "path": "c"}], "next": None}),
    ]

    found = Remote(tier.url).stored("b")
    assert {path: one.key for path, one in found.items()} == {"a b.png": "b/a b.png", "c": "b/c"}
    assert found["c"].stored_at.isoformat() == "2026-11-24T10:15:30+00:00"
    assert [asked.line for asked in tier.asked] == [
        "GET /api/batches/b/stored?after=",
        "GET /api/batches/b/stored?after=a%20b.png",
    ]


def test_a_key_goes_with_every_request(tier: Tier, cat: File) -> None:
    tier.answers = [(201, {"id": "b"}), (201, {"images": IMAGES}), (200, {}), (200, event("done", "1"))]

    remote = Remote(tier.url, key="secret")
    remote.new_batch()
    remote.add("b", [cat])
    remote.read("b")
    assert isinstance(next(remote.news("b")), Complete)
    assert [asked.headers.get("Authorization") for asked in tier.asked] == ["Bearer secret"] * 4


@pytest.mark.usefixtures("hurried")
def test_after_the_end_no_news_come(tier: Tier) -> None:
    tier.answers = [(200, event("image-classified", "1", key="b/a") + event("image-classified", "2", key="b/b"))]
    remote = Remote(tier.url)

    news = remote.news("b")
    next(news)
    remote.close()
    assert list(news) == []
    assert len(tier.asked) == 1


@pytest.mark.usefixtures("hurried")
def test_a_batch_that_is_gone_is_an_error_for_good(tier: Tier) -> None:
    tier.answers = [(404, {"detail": "there is no batch b"})] * 3

    with pytest.raises(ConfigurationError, match="there is no batch b"):
        next(Remote(tier.url).news("b"))
    with pytest.raises(ConfigurationError, match="there is no batch b"):
        Remote(tier.url).read("b")


def test_a_batch_is_read_as_it_is_now_or_not_at_all(tier: Tier) -> None:
    tier.answers = [(200, {"id": "b"}), (503, {"detail": "busy"}), (0, None)]

    assert Remote(tier.url).read("b") == {"id": "b"}
    with pytest.raises(TransientError, match="busy"):
        Remote(tier.url).read("b")
    with pytest.raises(TransientError):
        Remote(tier.url).read("b")
