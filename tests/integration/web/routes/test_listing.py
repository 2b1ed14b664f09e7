"""The list of batches: the newest first, one's own, by pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from app.access.keys import KeyStore, make
from app.access.scopes import OPERATE, READ, SUBMIT
from tests.support import photographs
from tests.support.web import Site

CAT = photographs.chelsea()


def linked(answer: object) -> str:
    """Return the path of the next page."""
    link = answer.headers["Link"]  # type: ignore[attr-defined]
    assert link.endswith('>; rel="next"')
    parts = urlsplit(link.removeprefix("<").partition(">")[0])
    return f"{parts.path}?{parts.query}"


def test_batches_come_the_newest_first_with_their_records_page_by_page(serve: Callable[..., Site]) -> None:
    site = serve()
    ids = [site.upload(("a.png", CAT))["id"] for _ in range(2)]
    headers = {"Content-Type": "application/json"}
    ids.append(site.post("/api/batches", body=b'{"name": "of options alone"}', headers=headers).json()["id"])
    ids.append(site.upload(("b.png", b"no image"))["id"])
    first = site.get("/api/batches?limit=3")
    assert [batch["id"] for batch in first.json()["batches"]] == ids[:0:-1]
    assert first.json()["batches"][1]["record"]["name"] == "of options alone"
    assert first.json()["next"] == ids[1]
    second = site.get(linked(first))
    assert [batch["id"] for batch in second.json()["batches"]] == ids[:1]
    assert second.json()["next"] is None
    assert "Link" not in second.headers
    assert site.get("/api/batches?limit=3", headers={"If-None-Match": first.headers["ETag"]}).status == 304


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=1&limit=2", "after=x", "after=..%2F"])
def test_what_is_no_page_is_refused(site: Site, query: str) -> None:
    assert site.get(f"/api/batches?{query}").status == 400


def test_where_nobody_is_asked_who_he_is_nobody_is_told_of_others_batches(serve: Callable[..., Site]) -> None:
    site = serve(ELASTIQ_TRUSTED_PROXIES="1")
    site.upload(("a.png", CAT))
    answer = site.get("/api/batches")
    assert answer.status == 403
    assert "ELASTIQ_AUTH" in answer.json()["detail"]


def test_each_owner_is_told_of_his_own_batches_and_who_operates_of_all(serve: Callable[..., Site]) -> None:
    site = serve(ELASTIQ_AUTH="keys", ELASTIQ_SHARED_BATCHES="1")
    headers = {}
    for name, scopes in (("alice", {SUBMIT, READ}), ("bob", {SUBMIT, READ}), ("olga", {READ, OPERATE})):
        text, kept = make(name, frozenset(scopes), datetime.now(UTC))
        KeyStore(site.config).add(kept)
        headers[name] = {"Authorization": f"Bearer {text}"}
    made = {
        name: site.post("/api/batches", fields=[("files", ("a.png", CAT))], headers=headers[name]).json()["id"]
        for name in ("alice", "bob")
    }
    told = {
        name: [batch["id"] for batch in site.get("/api/batches", headers=headers[name]).json()["batches"]]
        for name in headers
    }
    assert told == {"alice": [made["alice"]], "bob": [made["bob"]], "olga": [made["bob"], made["alice"]]}
