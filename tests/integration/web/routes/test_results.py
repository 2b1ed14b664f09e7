"""A batch's results in every form, and its images by pages; what a client has already is not sent again."""

from __future__ import annotations

import json

import pytest

from tests.integration.web.routes.test_listing import linked
from tests.support import photographs
from tests.support.web import Site, key_path

CAT = photographs.chelsea()


def test_results_are_json_and_lines_of_json_too(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("ü.png", b"no image"))["id"]
    site.classify(f"{id}/a.png")
    images = site.batch(id)["images"]
    one = site.get(f"/api/batches/{id}/results.json")
    assert one.json() == {"id": id, "images": images}
    assert one.headers["Content-Disposition"] == f"attachment; filename=elastiq-{id}.json"
    lines = site.get(f"/api/batches/{id}/results.jsonl")
    assert lines.headers["Content-Type"] == "application/jsonl"
    assert [json.loads(line) for line in lines.data.decode().splitlines()] == images


@pytest.mark.parametrize("form", ["", "/results.csv", "/results.json", "/results.jsonl"])
def test_what_has_not_changed_is_not_sent_again(site: Site, form: str) -> None:
    id = site.upload(("a.png", CAT))["id"]
    first = site.get(f"/api/batches/{id}{form}")
    known = {"If-None-Match": first.headers["ETag"]}
    again = site.get(f"/api/batches/{id}{form}", headers=known)
    assert (again.status, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    site.classify(f"{id}/a.png")
    news = site.get(f"/api/batches/{id}{form}", headers=known)
    assert news.status == 200
    assert b"tabby" in news.data


def test_a_preview_that_the_client_has_is_not_drawn_again(site: Site) -> None:
    id = site.upload(("a.png", CAT))["id"]
    path = key_path(f"{id}/a.png")
    first = site.get(path)
    assert site.get(path, headers={"If-None-Match": first.headers["ETag"]}).status == 304
    assert site.get(f"{path}?size=large", headers={"If-None-Match": first.headers["ETag"]}).status == 200


def test_images_come_by_pages_in_a_stable_order(site: Site) -> None:
    id = site.upload(*((f"{name}.png", CAT) for name in "cabed"))["id"]
    answer = site.get(f"/api/batches/{id}?limit=2")
    paths = [image["path"] for image in answer.json()["images"]]
    site.upload(("a0.png", CAT), path=f"/api/batches/{id}/images")
    while "Link" in answer.headers:
        answer = site.get(linked(answer))
        assert answer.json()["counts"]["total"] == 6
        paths += [image["path"] for image in answer.json()["images"]]
    assert paths == ["a.png", "b.png", "c.png", "d.png", "e.png"]


@pytest.mark.parametrize("query", ["page=x", "limit=-1", "limit=2&after=5f0c22d1-57", "page=YQ&after=5f0c22d1-57"])
def test_what_is_no_page_of_images_is_refused(site: Site, query: str) -> None:
    id = site.upload(("a.png", CAT))["id"]
    assert site.get(f"/api/batches/{id}?{query}").status == 400
