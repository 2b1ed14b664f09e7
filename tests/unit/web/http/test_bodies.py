"""Bodies as the server hands them on."""

from __future__ import annotations

import io
import socket

import pytest
from flask import Flask
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.unreader import IterUnreader, SocketUnreader
from werkzeug.exceptions import HTTPException, RequestTimeout

from web.http.bodies import Compressed, body
from web.http.gunicorn_internals import UNREADABLE
from web.uploads.multipart import BrokenUpload, parts

TYPE = "multipart/form-data; boundary=limit"


def read(stream: object, **headers: str) -> None:
    # The test's own builder of requests would measure the stream.
    environ = {"wsgi.input": stream, "CONTENT_TYPE": TYPE, "CONTENT_LENGTH": headers.pop("Content-Length", "")}
    with Flask(__name__).test_request_context("/", method="POST", environ_overrides=environ, headers=headers):
        list(parts(body(), TYPE, fields=frozenset({"files"}), max_bytes=100))


def test_a_client_that_stands_still_is_told_so_and_not_that_it_went() -> None:
    client, server = socket.socketpair()
    with client, server:
        client.sendall(b"--limit\r\n")
        server.settimeout(0.1)
        with pytest.raises(RequestTimeout, match="stood still"):
            read(Body(LengthReader(SocketUnreader(server), 1000)), **{"Content-Length": "1000"})


@pytest.mark.parametrize("sent", [b"zz\r\n", b"3\r\nabcdef\r\n", b"-1\r\n", b"\r\n"])
def test_chunks_that_are_none_are_the_client_s_fault_in_every_gunicorn(sent: bytes) -> None:
    for by in (lambda stream: stream.read(10_000), lambda stream: read(stream, **{"Transfer-Encoding": "chunked"})):
        with pytest.raises((*UNREADABLE, BrokenUpload)) as raised:
            by(Body(ChunkedReader(None, IterUnreader([sent]))))
    assert "not chunked as HTTP has it" in str(raised.value)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "1", "Content-Encoding": "gzip"}, 415),
        ({"Content-Length": "1", "Content-Encoding": "br"}, 415),
        ({"Transfer-Encoding": "gzip, chunked"}, 501),
    ],
)
def test_a_body_in_a_form_that_is_not_taken_is_refused_unread(headers: dict[str, str], status: int) -> None:
    stream = io.BytesIO(b"1")
    with pytest.raises(HTTPException) as refused:
        read(stream, **headers)
    assert refused.value.code == status
    assert stream.tell() == 0
    assert (("Accept-Encoding", "identity") in refused.value.get_headers()) == isinstance(refused.value, Compressed)
