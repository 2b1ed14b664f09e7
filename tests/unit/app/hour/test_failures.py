"""Why images failed: by reason, within bounds."""

from __future__ import annotations

import pytest

from app.domain import Failure
from app.errors import MalformedAnnouncement
from app.fields import Fields
from app.hour.failures import IMAGES, LONGEST, REASONS, Failures

NOW = 1_800_000_000.0


def failed(failures: Failures, reason: str, *keys: str, at: float = NOW) -> Failures:
    for key in keys:
        failures.hear(Failure.of(key, reason), at)
    return failures


def test_a_reason_is_one_whatever_its_numbers_and_names_and_the_most_frequent_is_first() -> None:
    failures = failed(Failures(), "the file is cut short", "b/1.jpg")
    failed(failures, "it has 4,000 x 9000 pixels, more than 'a limit' allows", "b/2.jpg", at=NOW + 1)
    failed(failures, "it has 7 x 8 pixels, more than 'another' allows", "b/3.jpg", at=NOW + 2)
    first, second = failures.view(NOW + 2)
    assert (first["reason"], first["count"]) == ("it has 7 x 8 pixels, more than 'another' allows", 2)
    assert first["images"] == [{"key": "b/3.jpg", "at": NOW + 2}, {"key": "b/2.jpg", "at": NOW + 1}]
    assert (second["reason"], second["count"], second["last_at"]) == ("the file is cut short", 1, NOW)


def test_an_hour_later_it_is_over() -> None:
    failures = failed(Failures(), "cut short", "b/1.jpg")
    failed(failures, "cut short", "b/2.jpg", at=NOW + 1800)
    assert failures.view(NOW + 3660)[0]["count"] == 1
    assert failures.view(NOW + 5500) == []


def test_an_image_that_is_told_of_twice_counts_once() -> None:
    (only,) = failed(Failures(), "cut short", "b/1.jpg", "b/1.jpg").view(NOW)
    assert only["count"] == 1


def test_it_keeps_so_many_reasons_and_images_and_no_endless_words() -> None:
    failures = Failures()
    for number in range(3 * REASONS):
        failed(failures, "x" * number + "y" * 4000, *(f"b/{image}.jpg" for image in range(3 * IMAGES)))
    view = failures.view(NOW)
    assert len(view) == REASONS
    assert {len(one["images"]) for one in view} == {IMAGES}
    assert {one["count"] for one in view} == {3 * IMAGES}
    assert {len(one["reason"]) for one in view} == {LONGEST}


def test_what_one_has_kept_another_takes_over_and_counts_no_image_twice() -> None:
    kept = failed(Failures(), "cut short", "b/1.jpg", "b/2.jpg", at=NOW - 300)
    failed(kept, "cut short", "b/3.jpg")
    other = failed(Failures(), "cut short", "b/3.jpg")
    for _ in range(2):
        other.adopt([Fields(one) for one in kept.to_json()])
    (only,) = other.view(NOW)
    assert only["count"] == 3
    assert [one["key"] for one in only["images"]] == ["b/3.jpg", "b/2.jpg", "b/1.jpg"]
    with pytest.raises(MalformedAnnouncement):
        other.adopt([Fields({"words": "x", "last_at": NOW, "minutes": 1, "images": []})])
