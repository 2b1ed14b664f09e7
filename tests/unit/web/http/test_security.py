"""What every request and answer of an application is held to."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from web.http import problems, security
from web.http.pace import STALLED_S, PacedSocket
from web.http.security import CONTENT_POLICY, HEADERS, PAGE_POLICY


@pytest.fixture
def client() -> FlaskClient:
    """Makes requests of an application that has one page, and one thing that came from a user."""
    app = Flask(__name__)
    problems.install(app)
    security.install(app)

    @app.route("/", methods=["GET", "POST", "PUT", "DELETE"])
    def page() -> str:
        return "a page"

    @app.get("/theirs")
    def theirs() -> Response:
        return Response("a picture", headers={"Content-Security-Policy": CONTENT_POLICY})

    return app.test_client()


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_every_answer_keeps_a_page_to_its_own_errors_too(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"


def test_pages_may_send_files_to_one_other_origin_where_that_is_said() -> None:
    app = Flask(__name__)
    security.install(app, uploads_to="https://bucket.example")
    policy = app.test_client().get("/").headers["Content-Security-Policy"]
    assert policy == PAGE_POLICY.replace("connect-src 'self'", "connect-src 'self' https://bucket.example")


def test_an_answer_may_be_stricter_by_itself(client: FlaskClient) -> None:
    answer = client.get("/theirs")
    assert answer.headers.getlist("Content-Security-Policy") == [CONTENT_POLICY]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("site", "status"), [(None, 200), ("none", 200), ("same-origin", 200), ("same-site", 403), ("cross-site", 403)]
)
def test_another_site_s_page_can_give_no_orders(
    client: FlaskClient, method: str, site: str | None, status: int
) -> None:
    answer = client.open("/", method=method, headers={"Sec-Fetch-Site": site} if site else {})
    assert answer.status_code == status
    if status == 403:
        assert "another site's page must not upload here" in answer.get_json()["detail"]


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_another_site_may_link_here(client: FlaskClient, site: str) -> None:
    assert client.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    with PacedSocket(fileno=ours.detach()) as paced, theirs:
        yield paced


def test_a_client_that_stalls_is_waited_for_no_longer_than_the_limit(
    client: FlaskClient, connection: socket.socket
) -> None:
    assert connection.gettimeout() is None
    client.get("/", environ_overrides={"gunicorn.socket": connection})
    assert connection.gettimeout() == STALLED_S


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost", 200), ("http://evil.example", 403), ("null", 403), ("http://localhost:81", 403), ("", 403)],
)
def test_where_a_browser_does_not_say_how_its_page_relates_its_origin_tells(
    client: FlaskClient, origin: str, status: int
) -> None:
    assert client.post("/", headers={"Origin": origin}).status_code == status
    assert client.post("/", headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert client.get("/", headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"), [("ours", 200), ("ours:80", 200), ("[::1]:80", 200), ("theirs", 421), ("theirs:80", 421)]
)
def test_a_name_that_is_not_ours_leads_nowhere(host: str, status: int) -> None:
    app = Flask(__name__)
    problems.install(app)
    security.install(app, lambda name: name in {"ours", "[::1]"})
    app.add_url_rule("/", view_func=lambda: "a page")
    answer = app.test_client().get("/", headers={"Host": host})
    assert answer.status_code == status
    assert status == 200 or "ELASTIQ_HOSTS" in answer.get_json()["detail"]
