"""Heads of requests, in pieces."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.http.heads import HEAD_BYTES, RefusedHead, is_whole

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"


@pytest.mark.parametrize("before", [b"", b"\r\n"], ids=["", "an empty line before it"])
def test_a_head_is_whole_with_its_last_byte_and_not_before(before: bytes) -> None:
    head = before + HEAD
    assert [is_whole(head[:size]) for size in range(len(head) + 1)] == [False] * len(head) + [True]


def test_what_comes_behind_a_head_does_not_matter() -> None:
    assert is_whole(HEAD + b"\n" * HEAD_BYTES)


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"GET / HTTP/1.1\nHost: x\n\n", HTTPStatus.BAD_REQUEST),
        (b"GET /" + b"x" * HEAD_BYTES, HTTPStatus.REQUEST_URI_TOO_LONG),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    ],
)
def test_a_head_that_never_will_be_one_is_refused_at_once(begun: bytes, status: HTTPStatus) -> None:
    with pytest.raises(RefusedHead) as refused:
        is_whole(begun)
    assert refused.value.status == status


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_the_beginning_of_one_or_refused(begun: bytes) -> None:
    try:
        whole = is_whole(begun)
    except RefusedHead:
        whole = False
    assert whole or b"\r\n\r\n" not in begun.removeprefix(b"\r\n")
