"""What becomes of the rest of a body when its request is answered."""

from __future__ import annotations

import io
from types import SimpleNamespace

from flask import Flask

from web.http import hearing
from web.http.gunicorn_internals import remember
from web.http.seats import Seats


def answered(body: io.BytesIO, seats: Seats) -> bool:
    """Answer a request with this body; return whether its connection goes on."""
    app = Flask(__name__)
    hearing.install(app, seats)
    app.add_url_rule("/", view_func=lambda: "said", methods=["POST"])
    ended: list[bool] = []
    remember(None, SimpleNamespace(force_close=lambda: ended.append(True)))
    environ = {"wsgi.input": body, "CONTENT_LENGTH": "5"}
    assert app.test_client().post("/", environ_overrides=environ).text == "said"
    return not ended


def test_a_body_that_ends_is_read_and_the_connection_goes_on() -> None:
    body = io.BytesIO(b"12345")
    assert answered(body, Seats(1, "full"))
    assert body.tell() == 5


def test_where_too_many_are_heard_already_the_connection_ends_and_nothing_is_read() -> None:
    body = io.BytesIO(b"12345")
    assert not answered(body, Seats(0, "full"))
    assert body.tell() == 0
