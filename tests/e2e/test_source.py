"""A batch of what is in S3 already, as people see it, in a real browser with a real worker behind it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from app import aws
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.sources.progress import Progress, Progresses
from app.sources.source import key_of
from tests.support import photographs
from tests.support.web import Site

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]
Serve = Callable[..., Site]

ID = "20991128T101530123Z-9f2c01ab"


def test_images_in_s3_are_shown_with_their_labels_and_their_results(stack: Site, visit: Visit) -> None:
    s3, bucket = aws.client("s3", stack.config.aws), stack.config.buckets.input
    for name, data in (("a/cat.png", photographs.chelsea()), ("coffee.png", photographs.coffee()), ("no.png", b"x")):
        s3.put_object(Bucket=bucket, Key=f"shown/{name}", Body=data)
    id = stack.post("/api/batches", json={"source": {"bucket": bucket, "prefix": "shown/"}}).json()["id"]
    page = visit(f"{stack.url}/batches/{id}")
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(3)
    expect(page.locator(".tile .label", has_text="espresso")).to_have_count(1)
    expect(page.locator("#source")).to_have_text(
        re.compile(rf"^s3://{bucket}/shown/ · results of all: s3://.*/results/")
    )
    expect(page.locator(".tally")).to_have_text("3 images")
    expect(page.locator("#csv")).to_be_visible()
    expect(page.locator("#add")).to_be_hidden()
    expect(page.locator(".tile[data-state=done] img").first).to_have_js_property("complete", True)
    assert page.locator(".tile[data-state=done] img").first.evaluate("(image) => image.naturalWidth") > 0
    page.locator(".filters [data-show=failed]").click()
    expect(tiles).to_have_count(1)
    page.locator(".filters [data-show=all]").click()
    page.locator("#search").fill("espresso")
    expect(tiles).to_have_count(1)
    page.locator("#search").fill("")
    page.locator("#arrange").select_option("sure")
    expect(tiles).to_have_count(3)
    page.locator("#again").click()
    expect(page.locator("#again")).to_be_visible()
    expect(page.locator(".tally")).to_have_text("3 images")


def test_a_source_that_is_being_listed_is_not_over_and_can_be_cancelled(serve: Serve, visit: Visit) -> None:
    site = serve()
    source = {"bucket": site.config.buckets.input, "prefix": "photos/"}
    Records(site.config).make(BatchRecord(ID, source=source, priority="bulk"))
    progresses = Progresses(site.config)
    progresses.begin(ID)
    # Somebody else is at it, so this web process leaves it alone.
    busy = Progress(runner="other", published=1, done=1, at=4e9)
    progresses.change(ID, lambda was: busy)
    site.classify(key_of(ID, "photos/a.png"))
    page = visit(f"{site.url}/batches/{ID}")
    expect(page.locator("#source")).to_contain_text("being listed, 1 so far")
    expect(page.locator("#csv")).to_be_hidden()
    expect(page.locator("#delete")).to_be_hidden()
    page.locator("#cancel").click()
    expect(page.locator(".tile")).to_have_count(1)


def test_a_source_that_cannot_be_read_says_why(serve: Serve, visit: Visit) -> None:
    site = serve()
    manifest = f"s3://{site.config.buckets.input}/none.jsonl"
    id = site.post("/api/batches", json={"source": {"manifest": manifest}}).json()["id"]
    page = visit(f"{site.url}/batches/{id}")
    expect(page.locator("#source.trouble")).to_contain_text("there is no manifest 'none.jsonl'")
    expect(page.locator("#tally-of")).to_have_text("No images")
    page.goto(site.url)
    expect(page.locator("#earlier a").first).to_contain_text(manifest)
