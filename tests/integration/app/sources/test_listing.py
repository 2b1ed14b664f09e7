"""Listing a source a bounded number of objects at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app import aws
from app.domain import new_batch_id
from app.errors import PermanentError
from app.settings import Settings
from app.sources import listing
from app.sources.listing import Page, look
from app.sources.source import Source

BATCH = "20261128T101530123Z-9f2c01ab"

Put = Callable[..., None]


@pytest.fixture
def put(config: Settings) -> Put:
    s3 = aws.client("s3", config.aws)

    def put_(key: str, body: bytes = b"x") -> None:
        s3.put_object(Bucket=config.buckets.input, Key=key, Body=body)

    return put_


def all_of(config: Settings, source: Source, count: int) -> tuple[list[str], int]:
    found: list[str] = []
    page, skipped = Page([], 0, "", False), 0
    while not page.last:
        page = look(config, source, BATCH, page.after, count)
        found, skipped = found + page.keys, skipped + page.skipped
    return found, skipped


@pytest.mark.parametrize("count", [2, 3, 100])
def test_every_object_is_listed_once_however_few_at_a_time(config: Settings, put: Put, count: int) -> None:
    names = [f"photos/{n}.jpg" for n in range(5)]
    for name in [*names, "photos/", "others/a.jpg", f"{BATCH}/a.jpg"]:
        put(name)
    put("photos/empty.jpg", b"")
    bucket = config.buckets.input
    assert all_of(config, Source(bucket, prefix="photos/"), count) == (names, 2)
    assert all_of(config, Source(bucket, glob="photos/[12].*"), count) == (names[1:3], 5)
    assert all_of(config, Source(bucket), count) == (["others/a.jpg", *names], 3)


def test_a_manifest_is_read_in_blocks_and_its_lines_are_whole(
    config: Settings, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"photos/ä {n}.jpg" for n in range(20)]
    lines = [json.dumps({"key": name} if n % 2 else name, ensure_ascii=False) for n, name in enumerate(names)]
    theirs = new_batch_id(datetime.now(UTC), bytes(4)) + "/cat.jpg"
    put("list.jsonl", "\n".join([*lines[:10], "", "{broken", json.dumps(theirs), *lines[10:]]).encode())
    source = Source(config.buckets.input, manifest="list.jsonl")
    for block in (64, 100, 10_000):
        monkeypatch.setattr(listing, "BLOCK", block)
        assert all_of(config, source, 1) == (names, 2)


def test_a_manifest_that_is_missing_or_none_is_an_error_that_says_so(
    config: Settings, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PermanentError, match=r"there is no manifest 'none'"):
        look(config, Source(config.buckets.input, manifest="none"), BATCH, "", 10)
    put("long", b"x" * 100)
    monkeypatch.setattr(listing, "BLOCK", 50)
    with pytest.raises(PermanentError, match="a line longer than 50 bytes"):
        look(config, Source(config.buckets.input, manifest="long"), BATCH, "", 10)
