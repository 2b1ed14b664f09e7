"""What may be a source, and which of its objects are images of a batch."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain import path_of
from app.sources.source import BadSource, Source, asked, kept, key_of, name_in

BATCH = "20261128T101530123Z-9f2c01ab"
OWN = "uploads"


@pytest.mark.parametrize(
    ("data", "source"),
    [
        ({"prefix": "2024/"}, Source(OWN, prefix="2024/")),
        ({"bucket": "photos", "prefix": ""}, Source("photos")),
        ({"bucket": "photos", "glob": "2024/*.jpg"}, Source("photos", glob="2024/*.jpg")),
        ({"manifest": "s3://photos/lists/a.jsonl"}, Source("photos", manifest="lists/a.jsonl")),
    ],
)
def test_a_source_is_read_and_kept_as_it_was_asked_for(data: dict[str, str], source: Source) -> None:
    assert asked(data, {"photos"}, OWN) == source
    assert kept(source.to_json()) == source


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "no object of texts"),
        ({"prefix": 1}, "no object of texts"),
        ({"prefix": "a", "region": "b"}, "no 'region'"),
        ({"bucket": "photos"}, "needs one of"),
        ({"prefix": "a", "glob": "b"}, "needs one of"),
        ({"prefix": "a" * 1025}, "needs one of"),
        ({"manifest": "photos/list.jsonl"}, "s3://bucket/key"),
        ({"manifest": "s3://photos/a", "bucket": "others"}, "leave bucket out"),
        ({"bucket": "secret", "prefix": "a"}, "ELASTIQ_SOURCE_BUCKETS"),
        ({"manifest": "s3://secret/a"}, "ELASTIQ_SOURCE_BUCKETS"),
    ],
)
def test_what_is_none_or_may_not_be_read_is_refused(data: Any, words: str) -> None:
    with pytest.raises(BadSource, match=words):
        asked(data, {"photos"}, OWN)


def test_a_key_of_a_batch_says_which_object_it_is() -> None:
    key = key_of(BATCH, "2024/cat.jpg")
    assert name_in(key) == (BATCH, "2024/cat.jpg")
    assert path_of(key) == "2024/cat.jpg"
    assert name_in(f"{BATCH}/2024/cat.jpg") is None
    assert name_in("mine/_source/cat.jpg") is None


@pytest.mark.parametrize(
    ("source", "key", "taken"),
    [
        (Source("photos", prefix="2024/"), "2024/a.jpg", True),
        (Source("photos", prefix="2024/"), "2023/a.jpg", False),
        (Source("photos", prefix="2024/"), "2024/", False),
        (Source("photos", glob="2024/*.jpg"), "2024/may/a.jpg", True),
        (Source("photos", glob="2024/*.jpg"), "2024/a.png", False),
        (Source("photos", manifest="m"), "anything", True),
        (Source("photos"), "a" * 1000, False),
        (Source("photos"), f"{BATCH}/a.jpg", True),
    ],
)
def test_only_what_the_source_names_is_an_image_of_it(source: Source, key: str, taken: bool) -> None:
    assert source.takes(key, BATCH, own=False) is taken


@pytest.mark.parametrize("source", [Source(OWN), Source(OWN, glob="*.jpg"), Source(OWN, manifest="m")])
def test_what_others_have_uploaded_is_never_an_image_of_a_source(source: Source) -> None:
    assert source.takes("mine/a.jpg", BATCH, own=True)
    assert not source.takes(f"{BATCH}/a.jpg", BATCH, own=True)
    assert not source.takes(f"_staged/{BATCH}/0123", BATCH, own=True)


def test_what_a_glob_begins_with_is_all_that_is_listed() -> None:
    assert [Source("b", glob=glob).begins for glob in ("a/b*", "a/[bc].jpg", "?", "a")] == ["a/b", "a/", "", "a"]
