"""One bucket, whichever library makes the call: obstore where it can name the key, boto3 where it cannot."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from app.aws.bucket import Bucket
from app.errors import ConfigurationError, TransientError
from app.local.cloud import free_port
from app.settings import Settings
from tests.support.fault_proxy import FaultProxy

BY_OBSTORE, BY_BOTO = "b/a.png", "b//only boto3 can name it.png"
each_way = pytest.mark.parametrize("key", [BY_OBSTORE, BY_BOTO], ids=["by obstore", "by boto3"])


@pytest.fixture
def bucket(config: Settings) -> Bucket:
    return Bucket(config.aws, config.buckets.input)


@each_way
def test_an_object_comes_back_with_its_metadata(bucket: Bucket, key: str) -> None:
    assert bucket.put(key, b"\x00\xff", "image/png", {"model": "m"})

    found = bucket.get(key)

    assert found is not None
    assert (found.body, found.metadata["model"]) == (b"\x00\xff", "m")


@each_way
def test_an_object_that_is_not_there_is_none_and_can_be_deleted_all_the_same(bucket: Bucket, key: str) -> None:
    assert bucket.get(key) is None
    bucket.delete(key)
    bucket.put(key, b"image", "image/png")
    bucket.delete(key)
    assert bucket.get(key) is None


@each_way
def test_a_large_object_is_read_piece_by_piece_and_one_that_is_not_there_is_none(bucket: Bucket, key: str) -> None:
    assert bucket.pieces(key) is None
    content = bytes(range(256)) * 4_000
    bucket.put(key, content, "image/png")

    pieces = list(bucket.pieces(key) or ())

    assert b"".join(pieces) == content
    assert max(map(len, pieces)) < len(content)


@each_way
def test_one_of_this_key_stays_unless_it_is_to_be_replaced(bucket: Bucket, key: str) -> None:
    assert bucket.put(key, b"first", "image/png", replace=False)
    assert not bucket.put(key, b"second", "image/png", replace=False)
    assert bucket.holds(key, b"first")
    assert bucket.put(key, io.BytesIO(b"third"), "image/png")
    assert bucket.holds(key, b"third")


@each_way
def test_an_object_is_replaced_only_while_it_is_the_one_that_was_read(bucket: Bucket, key: str) -> None:
    bucket.put(key, b"first", "image/png")
    found = bucket.get(key)
    assert found is not None
    assert bucket.put_if_same(key, b"second", "image/png", found.etag)
    assert not bucket.put_if_same(key, b"third", "image/png", found.etag)
    assert bucket.holds(key, b"second")
    bucket.delete(key)
    assert not bucket.put_if_same(key, b"third", "image/png", found.etag)
    assert bucket.get(key) is None


@pytest.mark.parametrize(
    ("key", "known"),
    [(BY_OBSTORE, True), (BY_BOTO, True), (BY_BOTO, False)],  # obstore sends what is to make an object once only
)
def test_who_is_refused_for_what_he_wrote_himself_has_written(
    config: Settings, bucket: Bucket, key: str, known: bool
) -> None:
    if known:
        bucket.put(key, b"first", "image/png")
    found = bucket.get(key)
    assert (found is not None) is known
    with FaultProxy(config.aws.endpoint_url) as proxy:
        proxy.fault("PutObject", "lost", times=1)
        behind = Bucket(replace(config.aws, endpoint_url=proxy.endpoint_url), bucket.name)
        assert behind.put_if_same(key, b"second", "image/png", found.etag if found else "")
        assert proxy.calls["PutObject"] == 2
    assert bucket.holds(key, b"second")


@each_way
@pytest.mark.parametrize("other", [b"egami", b"image!", b"", b"imag"])
def test_an_object_is_told_from_any_other_body(bucket: Bucket, key: str, other: bytes) -> None:
    bucket.put(key, b"image", "image/png")

    assert bucket.holds(key, b"image")
    assert not bucket.holds(key, other)
    assert not bucket.holds(key, io.BytesIO(other))


@each_way
def test_a_body_larger_than_was_asked_for_is_left_where_it_is(bucket: Bucket, key: str) -> None:
    bucket.put(key, b"12345", "image/png", {"model": "m"})

    whole, part = bucket.get(key, most_bytes=5), bucket.get(key, most_bytes=4)

    assert whole is not None
    assert part is not None
    assert (whole.body, part.body, part.metadata["model"]) == (b"12345", None, "m")


@each_way
@pytest.mark.parametrize("size", [0, 1, 9_000_000])
def test_a_file_is_stored_from_its_beginning_wherever_it_stands(bucket: Bucket, key: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    file = io.BytesIO(body)
    file.seek(size // 2)

    bucket.put(key, file, "image/png")

    found = bucket.get(key)
    assert found is not None
    assert found.body == body
    assert bucket.holds(key, file)


def test_a_listing_has_what_begins_with_the_prefix_behind_the_key(bucket: Bucket) -> None:
    for key in ("a/1", "a/2", "a//3", "b/1"):
        bucket.put(key, b"12", "image/png")

    assert [(item["Key"], item["Size"]) for item in bucket.list("a/")] == [("a//3", 2), ("a/1", 2), ("a/2", 2)]
    assert [item["Key"] for item in bucket.list("a/", after="a/1")] == ["a/2"]


@pytest.mark.parametrize(("key", "library"), [(BY_OBSTORE, "object_store"), (BY_BOTO, "Boto3")])
def test_a_key_goes_by_the_cheaper_library_where_that_can_name_it(config: Settings, key: str, library: str) -> None:
    with FaultProxy(config.aws.endpoint_url) as proxy:
        bucket = Bucket(replace(config.aws, endpoint_url=proxy.endpoint_url), config.buckets.input)
        bucket.put(key, b"image", "image/png")
        bucket.get(key)

    for action in ("PutObject", "GetObject"):
        agent = {name.lower(): value for name, value in proxy.headers[action].items()}["user-agent"]
        assert library in agent


@each_way
def test_the_environments_proxy_is_passed_by_on_loopback(
    config: Settings, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    bucket = Bucket(config.aws, config.buckets.input)

    bucket.put(key, b"image", "image/png")

    assert bucket.holds(key, b"image")


class Answers(BaseHTTPRequestHandler):
    """Answers every call with the next of ``statuses``, the last one again and again."""

    statuses: ClassVar[list[int]] = []
    calls: ClassVar[list[str]] = []

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.calls.append(self.command)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        code = {200: "", 403: "AccessDenied", 503: "SlowDown"}[status]
        body = f"<Error><Code>{code}</Code><Message>so it is</Message></Error>".encode() if code else b"image"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Tue, 24 Nov 2026 10:15:30 GMT")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = _answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def answering(config: Settings) -> Iterator[Bucket]:
    """A bucket whose S3 answers what `Answers` is told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    Answers.calls.clear()
    yield Bucket(replace(config.aws, endpoint_url=f"http://127.0.0.1:{server.server_port}"), "images")
    server.shutdown()
    server.server_close()


@each_way
def test_what_may_pass_is_tried_again_a_bounded_number_of_times(answering: Bucket, key: str) -> None:
    Answers.statuses = [503, 503, 200]
    found = answering.get(key)
    assert found is not None
    assert found.body == b"image"
    assert len(Answers.calls) == 3
    Answers.calls.clear()
    Answers.statuses = [503]
    with pytest.raises(TransientError, match="SlowDown"):
        answering.put(key, b"image", "image/png")
    assert len(Answers.calls) == 4


@each_way
def test_a_refusal_is_final_and_names_what_was_tried(answering: Bucket, key: str) -> None:
    Answers.statuses = [403]
    for call in (lambda: answering.get(key), lambda: answering.put(key, b"image", "image/png")):
        Answers.calls.clear()
        with pytest.raises(ConfigurationError, match=r"AccessDenied.* check the credentials"):
            call()
        assert len(Answers.calls) == 1
