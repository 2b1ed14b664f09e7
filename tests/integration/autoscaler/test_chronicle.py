"""The hour is written down, on a real bucket: seldom, small, and the next autoscaler goes on from it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from app import aws
from app.announcements import Announcement, CallsMade, ImageClassified, ImageFailed, Said, WorkerHeartbeat
from app.domain import (
    BatchCost,
    CallCounts,
    Classification,
    Failure,
    FleetCost,
    Instance,
    InstanceState,
    Life,
    Prediction,
    QueueDepth,
)
from app.hour.hour import KEY
from app.settings import Settings
from autoscaler.chronicle import EVERY_S, Chronicle
from autoscaler.record import Record
from tests.support.clock import Clock
from tests.support.fleet import decision

NOW = 1_800_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


def tell(chronicle: Chronicle, clock: Clock, *what: Announcement) -> None:
    for one in what:
        chronicle.hear(Said(one, "i-0aaa@host", clock.now))


def cost(total_usd: float) -> FleetCost:
    return FleetCost(0.5, total_usd, total_usd, "c7i.large")


def test_it_is_written_once_a_minute_while_there_is_news_and_at_the_end(config: Settings, clock: Clock) -> None:
    chronicle, record = Chronicle(config, "host:1", clock), Record(config, KEY)
    chronicle.note()
    assert record.read() == {}, "nothing was heard"
    written = set()
    for _ in range(40):
        tell(chronicle, clock, decision(desired=int(clock.now) % 7))
        chronicle.note()
        written.add(record.read()["until"])
        clock.now += 5
    assert sorted(written) == [NOW, NOW + EVERY_S, NOW + 2 * EVERY_S, NOW + 3 * EVERY_S]
    chronicle.stop()
    assert record.read()["until"] == clock.now
    ended = clock.now
    clock.now += 1000
    chronicle.stop()
    assert record.read()["until"] == ended, "no news is not written again"


def test_the_next_autoscaler_goes_on_with_the_hour_and_with_what_batches_cost(config: Settings, clock: Clock) -> None:
    first = Chronicle(config, "host:1", clock)
    first.share(cost(0.0), idle=False)
    tell(
        first, clock, decision(), ImageFailed(Failure.of("a/1.jpg", "cut short")), CallsMade(CallCounts(s3_put=20_000))
    )
    assert first.share(cost(0.1), idle=False) == (BatchCost("a", pytest.approx(0.2), 1),)
    first.note()
    clock.now += 5
    second = Chronicle(config, "host:2", clock)
    second.begin()
    second.share(cost(0.0), idle=False)
    tell(second, clock, decision(desired=9), ImageFailed(Failure.of("a/2.jpg", "cut short")))
    assert second.share(cost(0.3), idle=False) == (BatchCost("a", pytest.approx(0.5), 2),)
    second.note()
    kept = Record(config, KEY).read()
    assert [one["desired"] for one in kept["decisions"]] == [9, 2]
    assert {bar["number"] for bar in kept["bars"]} == {1, 2, 3}
    assert [image["key"] for image in kept["failures"][0]["images"]] == ["a/1.jpg", "a/2.jpg"]


@pytest.mark.parametrize("body", [b"", b'{"until": 1}', b'{"until": 4e9, "decisions": []}'])
def test_whatever_else_is_there_is_as_nothing(config: Settings, clock: Clock, body: bytes) -> None:
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=body)
    chronicle = Chronicle(config, "host:1", clock)
    chronicle.begin()
    tell(chronicle, clock, decision())
    chronicle.note()
    assert len(Record(config, KEY).read()["decisions"]) == 1


def test_a_bucket_that_does_not_answer_stops_nothing(config: Settings, clock: Clock) -> None:
    gone = replace(config, buckets=replace(config.buckets, output="elastiq-nobodys"))
    chronicle = Chronicle(gone, "host:1", clock)
    with capture_logs() as logs:
        chronicle.begin()
        tell(chronicle, clock, decision())
        chronicle.note()
        chronicle.stop()
    assert [record["event"] for record in logs] == ["hour_unknown", "hour_not_kept", "hour_not_kept"]


def test_a_busy_hour_of_nineteen_machines_is_small(config: Settings, clock: Clock) -> None:
    chronicle = Chronicle(config, "host:1", clock)
    for step in range(0, 1800, 3):
        clock.now = NOW + 2 * step
        fleet = tuple(
            Instance(f"i-{n + step // 300 * 10:017x}", InstanceState.RUNNING, datetime.fromtimestamp(NOW, UTC))
            for n in range(19)
        )
        tell(chronicle, clock, decision(fleet=fleet, desired=step % 20, depth=QueueDepth(step % 500, 19)))
        for n in range(19):
            said = Said(WorkerHeartbeat((step + n) // 15 % 2, step), f"{fleet[n].id}@host", clock.now)
            chronicle.hear(said)
        outcome = Classification.of(f"batch-{step}/1.jpg", [Prediction("tabby", 0.9)], "m")
        life = Life("i", "classify", 1, clock.now, queued_at=clock.now - step % 90)
        tell(chronicle, clock, ImageClassified(outcome, life))
        chronicle.share(cost(step / 1000), idle=False)
    chronicle.note()
    assert len(json.dumps(Record(config, KEY).read())) < 400_000
