from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import (
    BATCH_ID,
    Classification,
    Failure,
    InstanceState,
    Prediction,
    QueueDepth,
    filename_of,
    new_batch_id,
    path_of,
)

times = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - Hypothesis wants bounds without a zone
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-11, minutes=-30))]),
)
entropies = st.binary(min_size=4, max_size=16)
scores = st.floats(0, 1)


def _ids_of_odd_days() -> st.SearchStrategy[str]:
    """Return ids of the last days of months, and of days that follow them, in years that are leap years or look so."""
    years = st.sampled_from(["0000", "0004", "1900", "2000", "2023", "2024", "2100", "9999"])
    days = st.builds("{:02}{:02}".format, st.integers(0, 13), st.integers(28, 32))
    return st.builds("{}{}T235959999Z-00000000".format, years, days)


predictions = st.builds(Prediction, st.text(), scores)
classifications = st.builds(
    Classification.of, st.text(), st.lists(predictions, min_size=1, max_size=5), st.text(min_size=1)
)


def test_a_batch_id_shows_its_time_in_utc() -> None:
    at = datetime(2026, 11, 24, 12, 15, 30, 123999, timezone(timedelta(hours=2)))

    assert new_batch_id(at, bytes.fromhex("9f2c01abff")) == "20261124T101530123Z-9f2c01ab"


@given(times, times, entropies, entropies)
def test_batch_ids_sort_by_time(one: datetime, other: datetime, some: bytes, more: bytes) -> None:
    earlier, later = sorted((one, other))
    if later - earlier >= timedelta(milliseconds=1):
        assert new_batch_id(earlier, some) < new_batch_id(later, more)


@given(times, entropies)
def test_a_batch_id_is_recognised_and_is_safe_in_an_address(at: datetime, entropy: bytes) -> None:
    assert BATCH_ID.fullmatch(new_batch_id(at, entropy))


@pytest.mark.parametrize(
    "text",
    ["", "..", "20261124T101530123Z-9F2C01AB", "20261124T101530123Z-9f2c01ab/", "20261124T101530123Z-9f2c01ab\n"],
)
def test_other_texts_are_no_batch_id(text: str) -> None:
    assert not BATCH_ID.fullmatch(text)


@given(st.from_regex(r"\d{8}T\d{9}Z-[0-9a-f]{8}", fullmatch=True) | _ids_of_odd_days())
def test_what_is_a_batch_id_has_a_time_that_there_is(text: str) -> None:
    try:
        datetime.strptime(f"{text[:18]}+0000", "%Y%m%dT%H%M%S%f%z")
        is_time = text.isascii() and text[13:15] < "60"
    except ValueError:
        is_time = False
    assert bool(BATCH_ID.fullmatch(text)) == is_time


@given(times)
def test_two_uploads_of_one_millisecond_differ(at: datetime) -> None:
    assert new_batch_id(at, b"\x00\x00\x00\x01") != new_batch_id(at, b"\x00\x00\x00\x02")


@pytest.mark.parametrize(
    ("key", "filename"), [("b/cat.jpg", "cat.jpg"), ("cat.jpg", "cat.jpg"), ("a/b/../c d", "c d"), ("b/", "")]
)
def test_a_filename_is_what_follows_the_last_slash(key: str, filename: str) -> None:
    assert filename_of(key) == filename


@given(classifications)
def test_a_classification_survives_json(classification: Classification) -> None:
    wire = json.loads(json.dumps(classification.to_json()))

    assert Classification.from_json(wire) == classification


def test_a_classification_in_json_has_exactly_the_agreed_fields() -> None:
    classification = Classification.of("b/cat.jpg", [Prediction("tabby", 0.75), Prediction("lynx", 0.25)], "lite0")

    assert classification.to_json() == {
        "key": "b/cat.jpg",
        "filename": "cat.jpg",
        "label": "tabby",
        "score": 0.75,
        "top5": [{"label": "tabby", "score": 0.75}, {"label": "lynx", "score": 0.25}],
        "model": "lite0",
    }


def test_a_failure_in_json_has_exactly_the_agreed_fields() -> None:
    assert Failure.of("b/cat.jpg", "empty").to_json() == {"key": "b/cat.jpg", "filename": "cat.jpg", "reason": "empty"}


@given(classifications)
def test_a_classification_answers_with_the_best_of_its_predictions(classification: Classification) -> None:
    assert Prediction(classification.label, classification.score) == classification.top5[0]


@given(st.integers(0), st.integers(0), st.integers(0))
def test_a_queue_is_as_deep_as_its_three_counts_together(visible: int, in_flight: int, delayed: int) -> None:
    assert QueueDepth(visible, in_flight, delayed).total == visible + in_flight + delayed


def test_an_instance_lives_from_pending_to_terminated() -> None:
    assert list(InstanceState) == ["pending", "running", "draining", "terminated"]


def test_values_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Prediction("tabby", 0.5).score = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("b/cat.jpg", "cat.jpg"),
        ("b/2023/day 1/cat.jpg", "2023/day 1/cat.jpg"),
        ("b/rejected/0123456789ab/2023/cat.jpg", "2023/cat.jpg"),
        ("b/rejected/cat.jpg", "rejected/cat.jpg"),
        ("cat.jpg", "cat.jpg"),
    ],
)
def test_a_path_is_what_follows_the_batch(key: str, path: str) -> None:
    assert path_of(key) == path
