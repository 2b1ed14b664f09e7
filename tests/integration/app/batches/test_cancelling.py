"""Cancelling: the record and the mark say the same in the end, whatever broke off or was done at the same time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.batches.cancelling import Cancelling
from app.batches.marks import DROPPED, Marks
from app.batches.records import Records
from app.batches.telling import Telling
from app.dispatch import Dispatch
from app.settings import Settings
from tasks.celery import make_app

ID, OTHER = "20261128T101530123Z-9f2c01ab", "20261128T101530123Z-9f2c01ac"
NOW = datetime(2026, 11, 28, 10, 16, tzinfo=UTC)


class Case:
    def __init__(self, config: Settings) -> None:
        app = make_app(config)
        self.records, self.marks = Records(config), Marks(config, DROPPED)
        self.cancelling = Cancelling(config, self.records, Telling(app, Dispatch(app, "test")))

    def marked(self) -> list[str]:
        return list(self.marks.names())


@pytest.fixture
def case(config: Settings) -> Case:
    return Case(config)


def test_a_batch_is_cancelled_once_and_that_can_be_taken_back(case: Case) -> None:
    assert case.cancelling.cancel(ID, NOW).cancelled_at == NOW
    assert case.cancelling.cancel(ID, NOW + timedelta(hours=1)).cancelled_at == NOW
    assert case.marked() == [ID]
    assert case.cancelling.resume(ID).cancelled_at is None
    assert case.marked() == []


def test_what_broke_off_before_the_mark_is_mended_by_who_asks_again_or_sweeps(case: Case) -> None:
    case.records.update(ID, lambda record: replace(record, cancelled_at=NOW))
    case.cancelling.cancel(ID, NOW)
    assert case.marked() == [ID]
    case.marks.remove(ID)
    assert case.cancelling.dropped([ID, OTHER]) == {ID}
    assert case.marked() == [ID]


def test_a_mark_that_no_record_bears_out_is_taken_away(case: Case) -> None:
    case.marks.put(ID)
    assert case.cancelling.dropped([ID]) == set()
    assert case.marked() == []


def test_who_takes_it_back_at_the_same_time_leaves_no_mark_behind(case: Case) -> None:
    put = case.cancelling._marks.put

    def put_late(name: str) -> None:
        # Between the record and the mark, another one resumes the batch.
        case.records.update(ID, lambda record: replace(record, cancelled_at=None))
        put(name)

    case.cancelling._marks.put = put_late  # type: ignore[method-assign]
    assert case.cancelling.cancel(ID, NOW).cancelled_at is None
    assert case.marked() == []
