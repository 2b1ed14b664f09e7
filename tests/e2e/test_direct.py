"""The page where files go straight to the bucket, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect

from app.account.provision import provision
from app.local.cloud import free_port
from tests.support import photographs
from tests.support.web import Site

pytestmark = pytest.mark.browser

CAT, COFFEE = photographs.chelsea(), photographs.coffee()
Visit = Callable[..., Page]
Serve = Callable[..., Site]


def file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "", "buffer": data}


def straight(serve: Serve) -> Site:
    """Start a web tier whose page's files go straight to the bucket, which lets that page in."""
    port = str(free_port())
    site = serve(ELASTIQ_PORT=port, ELASTIQ_DIRECT_UPLOADS=f"http://127.0.0.1:{port}")
    provision(site.config)
    return site


def ways(site: Site) -> list[bool]:
    """Return of each request that brought files whether they had gone straight to the bucket."""
    return [bool(line.get("direct")) for line in site.logged("upload_taken")]


def test_files_go_straight_to_the_bucket_and_what_is_no_image_is_told_as_ever(serve: Serve, visit: Visit) -> None:
    site = straight(serve)
    page = visit(site.url)
    bodies: list[str] = []
    page.on("request", lambda request: request.method == "POST" and bodies.append(request.url))
    page.set_input_files("#files", [file("chelsea.png", CAT), file("coffee.png", COFFEE), file("x.png", b"<script>")])
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(2)
    expect(page.locator('.tile[data-state="failed"] .name')).to_have_text("x.png")
    id = page.url.rsplit("/", 1)[-1]
    assert site.keys(id) == [f"{id}/chelsea.png", f"{id}/coffee.png"]
    assert ways(site) == [True]
    assert bodies.count(f"{site.config.aws.endpoint_url}/{site.config.buckets.input}") == 3
    site.classify(f"{id}/coffee.png", "espresso")
    expect(page.locator(".tile", has_text="coffee.png").locator(".label")).to_have_text("espresso")


def test_where_the_bucket_cannot_be_reached_files_go_through_the_web_tier(serve: Serve, visit: Visit) -> None:
    site = straight(serve)
    page = visit(site.url)
    page.route(re.compile(re.escape(site.config.aws.endpoint_url)), lambda route: route.abort("connectionrefused"))
    page.set_input_files("#files", [file("chelsea.png", CAT), file("coffee.png", COFFEE)])
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(2)
    id = page.url.rsplit("/", 1)[-1]
    assert site.keys(id) == [f"{id}/chelsea.png", f"{id}/coffee.png"]
    assert ways(site) == [False]


def test_who_cancels_while_files_go_to_the_bucket_has_none_of_them_taken(serve: Serve, visit: Visit) -> None:
    site = straight(serve)
    page = visit(site.url)
    held: list[object] = []
    page.route(re.compile(re.escape(site.config.aws.endpoint_url)), lambda route: held.append(route))
    page.set_input_files("#files", [file("chelsea.png", CAT), file("coffee.png", COFFEE)])
    expect(page.locator('.tile[data-state="uploading"]')).to_have_count(2)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".tile")).to_have_count(0)
    assert held
    assert site.all_keys() == []
    assert ways(site) == []
