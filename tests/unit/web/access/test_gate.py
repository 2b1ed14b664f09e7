"""The gate before the routes of an application."""

from __future__ import annotations

import pytest
from flask import Flask, request

from app.access.scopes import OPERATE, READ, SCOPES, SUBMIT
from web.access import table
from web.access.caller import Caller, caller
from web.access.gate import REALM, Gate
from web.http import problems


class ByWord:
    """Believes whatever a header says of the caller's scopes."""

    def caller(self) -> Caller | None:
        word = request.headers.get("X-Scopes")
        return None if word is None else Caller("test:somebody", frozenset(word.split()))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application with a route for each scope, one for everybody and one that the table forgot."""
    monkeypatch.setattr(table, "SCOPE_OF", {**{scope: scope for scope in SCOPES}, "everybody": table.OPEN})
    app = Flask(__name__, static_folder=None)
    problems.install(app)
    for name in (*SCOPES, "everybody", "forgotten"):
        app.add_url_rule(f"/{name}", name, lambda: f"hello {caller().identity}", methods=["GET", "POST"])
    return app


@pytest.mark.parametrize("scope", SCOPES)
def test_a_route_is_for_those_who_have_its_scope(app: Flask, scope: str) -> None:
    Gate([ByWord()]).install(app)
    client = app.test_client()
    others = " ".join({SUBMIT, READ, OPERATE} - {scope})
    assert client.get(f"/{scope}", headers={"X-Scopes": scope}).text == "hello test:somebody"
    refused = client.post(f"/{scope}", headers={"X-Scopes": others})
    assert refused.status_code == 403
    assert repr(scope) in refused.get_json()["detail"]


def test_who_says_nothing_is_asked_in_the_ways_that_there_are(app: Flask) -> None:
    Gate([ByWord()], ["basic", "bearer"]).install(app)
    answer = app.test_client().get("/read")
    assert answer.status_code == 401
    assert answer.content_type == problems.MIME_TYPE
    assert [value.lower() for value in answer.headers.getlist("WWW-Authenticate")] == [
        f'basic realm="{REALM.lower()}"',
        f'bearer realm="{REALM.lower()}"',
    ]


def test_everybody_has_what_is_open_and_nobody_what_the_table_forgot(app: Flask) -> None:
    Gate([ByWord()]).install(app)
    client = app.test_client()
    assert client.get("/everybody").text == "hello "
    assert client.get("/forgotten", headers={"X-Scopes": "submit read operate"}).status_code == 403
    assert client.get("/nowhere").status_code == 404
    assert client.delete("/read").status_code == 405


def test_without_a_way_nobody_is_asked(app: Flask) -> None:
    Gate([]).install(app)
    client = app.test_client()
    assert [client.get(f"/{scope}").status_code for scope in SCOPES] == [200, 200, 200]
    assert client.get("/forgotten").status_code == 403
