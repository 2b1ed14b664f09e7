"""A batch's record survives being stored, and what is none is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batches.record import LONGEST_NAME, PRIORITIES, BatchRecord, made_at
from app.domain import new_batch_id

YEARS = 1_577_836_800, 4_000_000_000
TIMES = st.integers(*(10**6 * at for at in YEARS)).map(lambda us: datetime.fromtimestamp(us / 10**6, UTC))
ID = "20261124T101530123Z-9f2c01ab"
RECORDS = st.builds(
    BatchRecord,
    st.builds(new_batch_id, TIMES, st.binary(min_size=4, max_size=4)),
    owner=st.text(max_size=20),
    shared=st.booleans(),
    priority=st.sampled_from(PRIORITIES),
    expires_at=st.none() | TIMES,
    webhook=st.text(max_size=20),
    source=st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    cancelled_at=st.none() | TIMES,
    deleted_at=st.none() | TIMES,
    name=st.text(max_size=LONGEST_NAME),
)


@given(RECORDS)
def test_a_record_survives_json(record: BatchRecord) -> None:
    assert BatchRecord.from_json(record.id, json.loads(json.dumps(record.to_json()))) == record


@given(TIMES)
def test_a_batch_s_id_says_when_it_was_made(at: datetime) -> None:
    assert timedelta() <= at - made_at(new_batch_id(at, b"abcd")) < timedelta(milliseconds=1)


@pytest.mark.parametrize("id", ["", "x", "20261399T101530123Z-9f2c01ab", f"{ID}/"])
def test_what_is_no_batch_s_id_says_no_time(id: str) -> None:
    with pytest.raises(ValueError, match=r"no batch|match"):
        made_at(id)


def test_a_record_of_an_earlier_version_has_defaults_and_one_of_a_later_is_understood() -> None:
    assert BatchRecord.from_json(ID, {}) == BatchRecord(ID)
    assert BatchRecord.from_json(ID, {"name": "cats", "what_a_later_version_adds": 1}) == BatchRecord(ID, name="cats")


@pytest.mark.parametrize(
    "odd",
    [
        {"owner": None},
        {"shared": "yes"},
        {"priority": "first"},
        {"expires_at": "noon"},
        {"expires_at": float("nan")},
        {"cancelled_at": True},
        {"deleted_at": 1e300},
        {"source": []},
        {"name": 5},
    ],
    ids=str,
)
def test_a_field_of_another_kind_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(odd))):
        BatchRecord.from_json(ID, odd)


def test_what_the_api_shows_has_no_webhook_s_address() -> None:
    told = BatchRecord(ID, webhook="https://example.com/?key=secret").to_public()
    assert "secret" not in json.dumps(told)
    assert (told["webhook"], told["made_at"]) == (True, 1795515330.123)
