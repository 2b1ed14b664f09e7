"""Batches as programs and the command ask for them: a source's in words, and results however large."""

from __future__ import annotations

import json

import pytest

from app import aws
from app.client.batches import Batches, line, lines, named
from app.client.remote import Remote
from app.errors import ConfigurationError
from app.sources.source import key_of
from tests.support.waiting import wait_for
from tests.support.web import Site


@pytest.fixture
def batches(site: Site) -> Batches:
    return Batches(Remote(site.url, 5))


def test_a_batch_with_a_source_says_where_it_is_and_how_far(site: Site, batches: Batches) -> None:
    bucket = site.config.buckets.input
    for name in ("a", "b"):
        aws.client("s3", site.config.aws).put_object(Bucket=bucket, Key=f"shown/{name}.jpg", Body=b"x")
    made = site.post("/api/batches", json={"source": {"bucket": bucket, "prefix": "shown/"}, "name": "two"}).json()
    id = str(made["id"])
    found = wait_for(lambda: (read := batches.read(id))["progress"]["listed"] and read, 30)
    assert line(found).endswith(f"UTC  two  s3://{bucket}/shown/")
    said = list(lines(found))
    assert f"source     s3://{bucket}/shown/" in said
    assert "images     2: 2 waiting, 0 done, 0 failed, 0 cancelled" in said
    assert "progress   working; 0 skipped" in said
    with pytest.raises(ConfigurationError, match="once it is complete"):
        list(batches.results(id, "jsonl"))
    for name in ("a", "b"):
        site.classify(key_of(id, f"shown/{name}.jpg"))
    wait_for(lambda: batches.read(id)["progress"]["state"] == "complete", 30)
    told = [json.loads(text) for text in b"".join(batches.results(id, "jsonl")).splitlines()]
    assert [(image["path"], image["label"]) for image in told] == [("shown/a.jpg", "tabby"), ("shown/b.jpg", "tabby")]
    batches.delete(id)
    with pytest.raises(ConfigurationError, match="there is no batch"):
        batches.read(id)


def test_a_batch_is_named_by_its_id_or_its_address() -> None:
    assert named("http://127.0.0.1:8000/batches/b/") == named("b") == "b"
