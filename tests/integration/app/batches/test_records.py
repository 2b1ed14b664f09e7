"""Records in the bucket: written by one at a time, read through a cache that changes are told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.aws.bucket import Bucket
from app.batches.record import BatchRecord
from app.batches.records import BELIEVED_S, Records
from app.domain import new_batch_id
from app.errors import ConfigurationError
from app.settings import Settings
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import wait_for

ID = "20261128T101530123Z-9f2c01ab"
KEY = f"_batches/{ID}/record.json"
NOW = datetime(2026, 11, 28, 10, 15, 31, tzinfo=UTC)


def named(name: str) -> Callable[[BatchRecord], BatchRecord]:
    return lambda record: replace(record, name=name)


def test_a_record_is_kept_and_a_batch_without_one_has_the_defaults(config: Settings) -> None:
    records = Records(config)
    assert records.read(ID) == BatchRecord(ID)
    records.update(ID, lambda record: replace(record, cancelled_at=NOW))
    assert records.read(ID) == Records(config).read(ID) == BatchRecord(ID, cancelled_at=NOW)


def test_a_batch_with_nothing_but_defaults_costs_no_call(config: Settings, proxy: FaultProxy) -> None:
    records = Records(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)))
    records.make(BatchRecord(ID))
    assert records.find(ID) is None
    assert not proxy.calls
    records.make(BatchRecord(ID, name="cats"))
    assert records.read(ID).name == "cats"
    assert sum(proxy.calls.values()) == 1


def test_none_of_those_who_change_a_record_at_the_same_time_is_lost(config: Settings) -> None:
    def add(letter: str) -> None:
        Records(config).update(ID, lambda record: replace(record, name=record.name + letter))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, "abcd"))
    assert sorted(Records(config).read(ID).name) == list("abcd")


def test_what_is_read_is_believed_for_some_seconds_or_until_a_change_is_heard(config: Settings) -> None:
    now = [100.0]
    mine, other = Records(config, clock=lambda: now[0]), Records(config)
    assert mine.read(ID).name == ""
    other.update(ID, named("a"))
    assert mine.read(ID).name == ""
    mine.heard(ID)
    assert mine.read(ID).name == "a"
    other.update(ID, named("b"))
    now[0] += BELIEVED_S + 1
    assert mine.read(ID).name == "b"


def test_others_are_told_of_each_change_and_of_no_other_call(config: Settings) -> None:
    told: list[str] = []
    records = Records(config, told.append)
    records.make(BatchRecord(ID))
    records.update(ID, named("a"))
    records.update(ID, named("a"))
    assert told == [ID]


def test_a_change_whose_answer_was_lost_is_made_once_and_told(config: Settings, proxy: FaultProxy) -> None:
    told: list[str] = []
    records = Records(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)), told.append)
    records.update(ID, named("a"))
    proxy.fault("PutObject", "lost")
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(records.update, ID, named("b"))
        wait_for(lambda: proxy.faulted["PutObject"], 20)
        proxy.mend()  # botocore asks again, and is told that the object is another one by now
        assert done.result(60).name == "b"
    assert Records(config).read(ID).name == "b"
    assert told == [ID, ID]


def test_what_a_later_version_has_written_stays(config: Settings) -> None:
    bucket = Bucket(config.aws, config.buckets.output)
    bucket.put(KEY, json.dumps({"name": "cats", "later": [1]}).encode(), "application/json")
    Records(config).update(ID, named("dogs"))
    found = bucket.get(KEY)
    assert found is not None
    assert found.body is not None
    assert json.loads(found.body) == {**BatchRecord(ID, name="dogs").to_json(), "later": [1]}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"owner": 5}'])
def test_what_is_no_record_is_an_error_that_names_it(config: Settings, body: bytes) -> None:
    Bucket(config.aws, config.buckets.output).put(KEY, body, "application/json")
    with pytest.raises(ConfigurationError, match=KEY):
        Records(config).read(ID)


def test_batches_with_a_record_are_listed_by_age_until_it_is_forgotten(config: Settings) -> None:
    records = Records(config)
    ids = [new_batch_id(datetime(2026, 11, day, tzinfo=UTC), b"abcd") for day in (3, 1, 2)]
    for id in ids:
        records.update(id, named("a"))
    Bucket(config.aws, config.buckets.output).put(f"_batches/{ids[1]}/other", b"", "text/plain")
    assert list(records.ids()) == sorted(ids)
    assert list(records.ids(after=min(ids))) == sorted(ids)[1:]
    records.forget(ids[1])
    assert list(records.ids()) == sorted(ids)[1:]
    assert records.read(ids[1]) == BatchRecord(ids[1])
