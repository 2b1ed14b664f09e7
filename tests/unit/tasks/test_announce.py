"""What became of an image is announced through whatever the worker sends with, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.announcements import Announcement, ImageClassified, ImageFailed, Said
from app.domain import Classification, Failure, Prediction
from tasks import announce

CLASSIFIED = Classification.of("batch/cat.png", [Prediction("tabby", 0.75), Prediction("lynx", 0.25)], "m")
FAILED = Failure.of("batch/text.png", "this is not an image")


@pytest.fixture
def sent() -> Iterator[list[dict[str, Any]]]:
    sent: list[dict[str, Any]] = []
    announce.through(lambda type, **fields: sent.append({"type": type, **fields}))
    yield sent
    announce.through(None)


@pytest.mark.parametrize(
    ("outcome", "what"), [(CLASSIFIED, ImageClassified(CLASSIFIED)), (FAILED, ImageFailed(FAILED))]
)
def test_who_hears_the_event_reads_the_outcome_in_it(
    sent: list[dict[str, Any]], outcome: Classification | Failure, what: Announcement
) -> None:
    announce.announce(outcome)

    (event,) = sent
    assert Said.of({**event, "hostname": "i-0aaa@host", "timestamp": 1.0}).what == what


def test_a_process_that_sends_no_events_announces_nothing(sent: list[dict[str, Any]]) -> None:
    announce.through(None)

    announce.announce(CLASSIFIED)

    assert sent == []


def test_only_an_outcome_that_somebody_may_wait_for_is_hastened() -> None:
    done: list[str] = []
    announce.through(lambda type, **fields: done.append(type), lambda: done.append("hastened"))

    announce.announce(CLASSIFIED, awaited=False)
    announce.announce(FAILED)
    announce.through(None)

    assert done == [ImageClassified.TYPE, ImageFailed.TYPE, "hastened"]
