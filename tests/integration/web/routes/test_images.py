"""The API of one image: its small picture, and what protects a browser from it."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image

from app import aws
from app.sources.source import key_of
from tests.support import photographs
from tests.support.web import Site, key_path

CAT = photographs.chelsea()


def test_a_small_picture_is_our_own_and_can_do_nothing(site: Site) -> None:
    id = site.upload(("a.png", CAT))["id"]
    answer = site.get(key_path(f"{id}/a.png"))
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "private" in answer.headers["Cache-Control"]
    assert Image.open(io.BytesIO(answer.data)).size == (400, 266)
    large = site.get(key_path(f"{id}/a.png") + "?size=large")
    assert Image.open(io.BytesIO(large.data)).size == (451, 300)


def test_of_a_source_only_what_was_classified_is_shown_whatever_the_browser_names(serve: Callable[..., Site]) -> None:
    site = serve(ELASTIQ_SOURCE_BUCKETS="photos-of-others")
    s3 = aws.client("s3", site.config.aws)
    s3.create_bucket(Bucket="photos-of-others")
    for key in ("2024/cat.png", "private/cat.png"):
        s3.put_object(Bucket="photos-of-others", Key=key, Body=CAT)
    s3.put_object(Bucket="photos-of-others", Key="list.jsonl", Body=b'{"key": "2024/cat.png"}')
    made = site.post("/api/batches", json={"source": {"manifest": "s3://photos-of-others/list.jsonl"}}).json()
    id = str(made["id"])
    assert site.get(key_path(key_of(id, "2024/cat.png"))).status == 404, "nobody has looked at it yet"
    site.classify(key_of(id, "2024/cat.png"))
    shown = site.get(key_path(key_of(id, "2024/cat.png")))
    assert Image.open(io.BytesIO(shown.data)).size == (400, 266)
    for named in (key_of(id, "private/cat.png"), f"{id}/2024/cat.png"):
        assert site.get(key_path(named)).status == 404
    life = site.get(f"/api/batches/{id}/life/_source/2024/cat.png")
    assert life.status == 404, "no worker has said what it did"
