"""Where one signs in and out, and that it leads nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from tests.support.provider import Provider, Visitor
from tests.support.web import Site

Serve = Callable[..., Site]


def test_a_sign_in_leads_to_a_page_of_this_server_alone(serve: Serve) -> None:
    with Provider() as provider:
        site = serve(**provider.environment)
        for after, leads in (
            ("/monitor?x=1", "/monitor?x=1"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
        ):
            visitor = Visitor(site)
            led = visitor.get(f"/sign-in?{urlencode({'next': after})}")
            back = visitor.get(visitor.get(led.headers["Location"]).headers["Location"])
            assert (back.status, back.headers["Location"]) == (302, leads)


def test_where_nobody_signs_in_there_is_no_such_page(site: Site) -> None:
    answers = (site.get("/sign-in"), site.get("/sign-in/done"), site.post("/sign-out"))
    assert [answer.status for answer in answers] == [404] * 3
