"""Answers that their client may have already."""

from __future__ import annotations

from flask import Flask, Response, request
from hypothesis import given
from hypothesis import strategies as st

from web.http import known

APP = Flask("test")


@given(one=st.lists(st.text()), other=st.lists(st.text()))
def test_other_parts_have_another_digest(one: list[str], other: list[str]) -> None:
    assert (known.digest(one) == known.digest(other)) == (one == other)


def test_an_answer_that_the_client_has_is_304_without_a_body() -> None:
    with APP.test_request_context("/"):
        first = known.judged(Response("told"))
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "private, no-cache")
    with APP.test_request_context("/", headers={"If-None-Match": first.headers["ETag"]}):
        again = known.judged(Response("told"))
        other = known.judged(Response("told anew"))
        body = b"".join(again.get_app_iter(request.environ))
    assert (again.status_code, body) == (304, b"")
    assert (other.status_code, other.get_data()) == (200, b"told anew")


def test_a_digest_is_known_by_itself_alone() -> None:
    with APP.test_request_context("/", headers={"If-None-Match": 'W/"one", "two"'}):
        assert known.has("two")
        assert not known.has("three")
    assert known.not_modified("two").headers["ETag"] == '"two"'
