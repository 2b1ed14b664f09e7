"""Images without an outcome, found without walking through all that was ever uploaded."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import Classification, Failure, Prediction, new_batch_id
from app.settings import Settings
from app.storage import Storage
from autoscaler.sweep.unfinished import GROWS_FOR, RETENTION, Unfinished
from tests.support.photographs import chelsea


class Case:
    """The buckets of one system, and a search that sees all that was stored so far."""

    def __init__(self, config: Settings) -> None:
        self.storage = Storage(config)
        self.now = datetime.now(UTC) + timedelta(minutes=1)
        self.config = config
        self.unfinished = Unfinished(config)

    def store(self, *names: str, age: timedelta = timedelta(minutes=2)) -> list[str]:
        """Store photographs in a new batch of some age."""
        batch = new_batch_id(self.now - age, os.urandom(4))
        return self.put(*(f"{batch}/{name}" for name in names))

    def put(self, *keys: str) -> list[str]:
        for key in keys:
            self.storage.put_image(key, chelsea(), "image/png")
        return list(keys)

    def classified(self, *keys: str) -> None:
        for key in keys:
            self.storage.save(Classification.of(key, [Prediction("tabby", 0.9)], "test"))

    def found(self) -> list[str]:
        return sorted(self.unfinished.search(self.now))


@pytest.fixture
def case(config: Settings) -> Case:
    return Case(config)


def test_what_has_neither_a_result_nor_a_failure_is_found_in_every_batch(case: Case) -> None:
    first = case.store("a.png", "b.png", "ä b.png", age=timedelta(days=3))
    second = case.store("a.png", "b.png")
    case.classified(first[0])
    case.storage.save(Failure.of(second[1], "it is damaged"))
    assert case.found() == sorted([*first[1:], second[0]])


def test_results_of_batches_whose_images_are_gone_hide_nobody_else_s(case: Case) -> None:
    middle = timedelta(hours=2)
    (lost,) = case.store("a.png", age=middle)
    for age in (timedelta(hours=3), timedelta(hours=1)):
        case.classified(f"{new_batch_id(case.now - age, os.urandom(4))}/a.png")
    assert case.found() == [lost]


def test_an_image_that_was_stored_too_late_is_still_on_its_way(case: Case) -> None:
    case.store("a.png")
    assert case.unfinished.search(datetime.now(UTC) - timedelta(minutes=1)) == frozenset()


def test_a_key_under_no_batch_is_not_looked_at(case: Case) -> None:
    case.put("mine/cat.jpg", "cat.jpg", "20261124/cat.jpg", "0.png")
    assert case.found() == []


def test_a_batch_older_than_any_message_can_be_is_not_looked_at(case: Case) -> None:
    case.store("a.png", age=RETENTION + timedelta(minutes=1))
    (kept,) = case.store("a.png", age=RETENTION - timedelta(minutes=1))
    assert case.found() == [kept]


def test_finished_days_are_not_listed_again(case: Case) -> None:
    for days in range(10):
        case.classified(*case.store("a.png", age=timedelta(days=days, minutes=2)))
    assert case.found() == []
    case.unfinished.remember(case.now)
    following = Unfinished(case.config)
    listed = listing(following)
    assert following.search(case.now) == frozenset()
    assert listed == [new_batch_id(case.now - GROWS_FOR, bytes(4))] * 2


def listing(unfinished: Unfinished) -> list[str]:
    """Return a list that grows by where each listing begins."""
    began: list[str] = []
    for bucket in (unfinished._inputs, unfinished._outputs):
        bucket._s3.meta.events.register(
            "provide-client-params.s3.ListObjectsV2", lambda params, **_: began.append(params.get("StartAfter", ""))
        )
    return began


def test_what_is_added_to_a_batch_of_the_last_day_is_found(case: Case) -> None:
    (first,) = case.store("a.png", age=timedelta(hours=20))
    case.classified(first)
    case.unfinished.remember(case.now)
    (late,) = case.put(first.replace("a.png", "late.png"))
    assert case.found() == [late]
