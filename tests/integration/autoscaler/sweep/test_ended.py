"""Batches that are over: those that expire, and those whose deletion somebody has left to the sweep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.batches.cancelling import Cancelling
from app.batches.deletion import TOMBSTONE, Deletion
from app.batches.marks import DELETED, EXPIRES, Marks
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.batches.telling import Telling
from app.dispatch import Dispatch
from app.domain import new_batch_id
from app.settings import Settings
from app.storage import Storage
from autoscaler.sweep.ended import EVERY_S, LONGEST_PAUSE_S, Ended
from tasks.celery import make_app
from tests.support.photographs import chelsea
from web.batches.orders import Orders

NOW = datetime(2026, 11, 28, 10, 16, tzinfo=UTC)


class Case:
    def __init__(self, config: Settings) -> None:
        app = make_app(config)
        self.config, self.storage, self.records = config, Storage(config), Records(config)
        self.telling = Telling(app, Dispatch(app, "test"))
        deletion = Deletion(config, self.records, Cancelling(config, self.records, self.telling))
        self.ended, self.now = Ended(config, self.records, deletion), 0.0

    def batch(self, letters: bytes, expires_at: datetime | None = None) -> str:
        id = new_batch_id(NOW, letters)
        self.storage.put_image(f"{id}/a.png", chelsea(), "image/png")
        orders = Orders(self.config, self.storage, self.records, self.telling, lambda keys: None)
        orders.make(BatchRecord(id, expires_at=expires_at))
        return id

    def round(self, after: timedelta) -> None:
        self.now += EVERY_S
        self.ended.round(self.now, NOW + after)

    def stored(self, id: str) -> int:
        return len(list(self.storage.images(id)))

    def marks(self, kind: str) -> list[str]:
        return list(Marks(self.config, kind).names())


@pytest.fixture
def case(config: Settings) -> Case:
    return Case(config)


def test_a_batch_is_deleted_when_its_time_has_come_and_no_other_one(case: Case) -> None:
    soon, later, never = (
        case.batch(b"abcd", NOW + timedelta(hours=1)),
        case.batch(b"abce", NOW + timedelta(hours=2)),
        case.batch(b"abcf"),
    )
    case.round(timedelta(minutes=59))
    assert [case.stored(id) for id in (soon, later, never)] == [1, 1, 1]
    case.round(timedelta(hours=1, seconds=1))
    assert [case.stored(id) for id in (soon, later, never)] == [0, 1, 1]
    record = case.records.fresh(soon)
    assert record is not None
    assert record.deleted_at == NOW + timedelta(hours=1, seconds=1)
    assert len(case.marks(EXPIRES)) == 1


def test_a_deletion_that_broke_off_at_its_first_call_is_finished(case: Case) -> None:
    id = case.batch(b"abcd")
    Marks(case.config, DELETED).put(id)
    case.round(timedelta())
    assert case.stored(id) == 0
    record = case.records.fresh(id)
    assert record is not None
    assert record.deleted_at == NOW


def test_what_comes_late_is_deleted_too_until_the_tombstone_goes(case: Case) -> None:
    id = case.batch(b"abcd")
    Marks(case.config, DELETED).put(id)
    case.round(timedelta())
    case.storage.put_image(f"{id}/late.png", chelsea(), "image/png")
    case.now += LONGEST_PAUSE_S
    case.round(timedelta(days=1))
    assert case.stored(id) == 0
    case.now += LONGEST_PAUSE_S
    case.round(TOMBSTONE + timedelta(seconds=1))
    assert case.records.fresh(id) is None
    assert case.marks(DELETED) == []
