"""Deleting a batch: all that belongs to it goes, in as many steps as it takes, and a tombstone stays for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.aws.bucket import Bucket
from app.batches import deletion as module
from app.batches.cancelling import Cancelling
from app.batches.deletion import TOMBSTONE, Deletion, Purged
from app.batches.marks import DELETED, DROPPED, Marks
from app.batches.records import Records
from app.batches.telling import Telling
from app.dispatch import Dispatch
from app.settings import Settings
from tasks.celery import make_app

ID, OTHER = "20261128T101530123Z-9f2c01ab", "20261128T101530123Z-9f2c01ac"
NOW = datetime(2026, 11, 28, 10, 16, tzinfo=UTC)


class Case:
    def __init__(self, config: Settings) -> None:
        self.records = Records(config)
        app = make_app(config)
        telling = Telling(app, Dispatch(app, "test"))
        self.deletion = Deletion(config, self.records, Cancelling(config, self.records, telling))
        self.buckets = [Bucket(config.aws, name) for name in (config.buckets.input, config.buckets.output)]
        self.config = config

    def put(self, bucket: int, *keys: str) -> None:
        for key in keys:
            self.buckets[bucket].put(key, b"x", "text/plain")

    def keys(self) -> list[str]:
        return sorted(item["Key"] for bucket in self.buckets for item in bucket.list(""))

    def marked(self, kind: str) -> list[str]:
        return list(Marks(self.config, kind).names())


@pytest.fixture
def case(config: Settings) -> Case:
    return Case(config)


def test_all_that_belongs_to_a_batch_goes_but_its_tombstone(case: Case) -> None:
    case.put(0, f"{ID}/a.png", f"{ID}/2023/b.png", f"{OTHER}/a.png", f"_staged/{ID}/1", f"_staged/{OTHER}/1")
    case.put(1, f"{ID}/a.png.txt", f"{OTHER}/a.png.txt", f"_resent/{ID}/a.png", f"_batches/{ID}/more")
    assert case.deletion.order(ID, NOW).deleted_at == NOW
    assert case.deletion.order(ID, NOW + timedelta(hours=1)).deleted_at == NOW
    assert case.deletion.purge(ID) == Purged(6, whole=True)
    assert case.keys() == sorted(
        [
            f"_staged/{OTHER}/1",
            f"{OTHER}/a.png",
            f"{OTHER}/a.png.txt",
            f"_batches/{ID}/record.json",
            f"_batches/_deleted/{ID}",
            f"_batches/_dropped/{ID}",
        ]
    )


def test_what_was_broken_off_is_gone_on_with(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_DELETED", 2)
    case.put(0, *(f"{ID}/{n}.png" for n in range(5)))
    case.deletion.order(ID, NOW)
    assert case.deletion.purge(ID, calls=1) == Purged(2, whole=False)
    assert case.deletion.purge(ID, calls=1) == Purged(2, whole=False)
    assert case.deletion.purge(ID, calls=1) == Purged(1, whole=True)


def test_a_tombstone_stands_while_a_message_can_live(case: Case) -> None:
    case.deletion.order(ID, NOW)
    assert not case.deletion.bury(ID, NOW + TOMBSTONE - timedelta(seconds=1))
    assert case.marked(DELETED) == case.marked(DROPPED) == [ID]
    assert case.deletion.bury(ID, NOW + TOMBSTONE)
    assert case.keys() == []
