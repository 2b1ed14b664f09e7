"""Making a batch with options: a plain one costs no call, and one that expires is marked before it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from app.batches.marks import EXPIRES, Marks
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.batches.telling import Telling
from app.dispatch import Dispatch
from app.settings import Settings
from app.storage import Storage
from tasks.celery import make_app
from tests.support.fault_proxy import FaultProxy
from web.batches.orders import Orders

ID = "20261128T101530123Z-9f2c01ab"


def orders(config: Settings) -> Orders:
    def publish(keys: Sequence[str]) -> None:
        pass

    app = make_app(config)
    return Orders(config, Storage(config), Records(config), Telling(app, Dispatch(app, "test")), publish)


def test_a_plain_batch_costs_no_call(config: Settings, proxy: FaultProxy) -> None:
    orders(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url))).make(BatchRecord(ID))
    assert not proxy.calls


def test_a_batch_that_expires_is_marked_with_when(config: Settings) -> None:
    at = datetime(2026, 11, 28, 12, tzinfo=UTC)
    orders(config).make(BatchRecord(ID, expires_at=at))
    assert list(Marks(config, EXPIRES).names()) == [f"{int(at.timestamp()):012d}-{ID}"]
    assert Records(config).read(ID).expires_at == at
