"""What an autoscaler keeps for the next one, on a real bucket."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app import aws
from app.errors import ElastiqError
from app.settings import Settings
from autoscaler.record import AGAIN_S, Keeper, Record, number
from tests.support.clock import Clock

KEY = "_autoscaler/some"


def test_what_one_writes_the_next_reads(config: Settings) -> None:
    assert Record(config, KEY).read() == {}
    Record(config, KEY).write({"rate": 2.5})
    assert Record(config, KEY).read() == {"rate": 2.5}
    assert Record(config, "_autoscaler/other").read() == {}


@pytest.mark.parametrize("body", [b"", b"7", b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_as_nothing(config: Settings, body: bytes) -> None:
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=body)
    assert Record(config, KEY).read() == {}


def test_a_bucket_that_is_not_there_is_an_error_for_who_asks(config: Settings) -> None:
    gone = replace(config, buckets=replace(config.buckets, output="elastiq-nobodys"))
    with pytest.raises(ElastiqError, match=KEY):
        Record(gone, KEY).read()
    with pytest.raises(ElastiqError, match=KEY):
        Record(gone, KEY).write({})


@pytest.mark.parametrize("value", [None, "1", True, -1, float("nan"), float("inf"), []])
def test_what_is_no_number_or_below_0_is_none(value: object) -> None:
    assert number(value) is None


@pytest.mark.parametrize("value", [0, 1, 2.5])
def test_a_number_is_what_it_is(value: float) -> None:
    assert number(value) == value


def test_what_is_no_news_is_not_written_again(config: Settings) -> None:
    record = Record(config, KEY)
    keeper = Keeper(record, "not_kept")
    for content, news in (({"rate": 1}, "a"), ({"rate": 2}, "a"), ({"rate": 3}, "b")):
        keeper.keep(content, news)
        assert record.read() == {"rate": 1 if news == "a" else 3}


def test_what_could_not_be_written_is_said_and_tried_again_after_a_minute(config: Settings) -> None:
    clock, name = Clock(0.0), f"later-{config.buckets.output}"
    later = Record(replace(config, buckets=replace(config.buckets, output=name)), KEY)
    keeper = Keeper(later, "not_kept", clock)
    with capture_logs() as logs:
        keeper.keep({"rate": 1}, "a")
        aws.client("s3", config.aws).create_bucket(Bucket=name)
        keeper.keep({"rate": 1}, "a")
        assert later.read() == {}
        clock.now += AGAIN_S
        keeper.keep({"rate": 1}, "a")
    assert later.read() == {"rate": 1}
    assert [entry["event"] for entry in logs] == ["not_kept"]
