"""The gate before the routes of an application."""

from __future__ import annotations

import pytest
from flask import Flask, request

from app.access.scopes import OPERATE, READ, SCOPES, SUBMIT
from web.access import table
from web.access.caller import Caller, caller
from web.access.gate import REALM, Gate, no_such_batch
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


def test_what_is_asked_of_a_batch_that_is_not_ones_own_is_answered_as_if_there_were_none(app: Flask) -> None:
    table.SCOPE_OF["batch"] = READ
    Gate([ByWord()], may_see=lambda caller, id: (caller.identity, id) == ("test:somebody", "his")).install(app)
    app.add_url_rule("/api/batches/<id>/anything", "batch", methods=["GET", "DELETE"])
    app.add_url_rule("/batches/<id>", "batch", lambda id: f"hello {id}")
    client, headers = app.test_client(), {"X-Scopes": "read"}
    assert client.get("/api/batches/his/anything", headers=headers).text == "hello his"
    refused = client.delete("/api/batches/another/anything", headers=headers)
    assert (refused.status_code, refused.get_json()["detail"]) == (404, no_such_batch("another"))
    assert client.get("/batches/another", headers=headers).status_code == 200, "the page has nothing of it"
