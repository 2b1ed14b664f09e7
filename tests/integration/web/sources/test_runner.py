"""Batches of what is in S3 already: all of it published, whoever is killed, and the results put together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from app import aws
from app.batches.record import INTERACTIVE, BatchRecord
from app.batches.records import Records
from app.domain import Classification, Failure, Prediction
from app.errors import TransientError
from app.settings import Settings
from app.sources.progress import LEASE_S, Progress, Progresses
from app.sources.source import Source, key_of
from app.storage import Storage
from tests.support.clock import Clock
from web.sources import runner as module
from web.sources.runner import COUNT_S, LOOK_S, Runner, results_of

BATCH = "20991128T101530123Z-9f2c01ab"
NAMES = [f"photos/{n:02}.jpg" for n in range(12)]


class Case:
    """A bucket with photographs, a batch of them, and runners whose time the test tells."""

    def __init__(self, config: Settings) -> None:
        self.config, self.clock, self.published = config, Clock(1000.0), list[str]()
        self.firsts: set[float | None] = set()
        self.fails_after = 10**6
        self.s3 = aws.client("s3", config.aws)
        for name in NAMES:
            self.s3.put_object(Bucket=config.buckets.input, Key=name, Body=b"x")

    def record(self, **fields: Any) -> None:
        source = {"bucket": self.config.buckets.input, "prefix": "photos/"}
        Records(self.config).make(BatchRecord(BATCH, **{"source": source, "priority": "bulk", **fields}))

    def runner(self) -> Runner:
        progresses = Progresses(self.config, self.clock)
        return Runner(self.config, Records(self.config), progresses, self.publish, self.clock)

    def publish(self, keys: Sequence[str], first: float | None) -> None:
        self.firsts.add(first)
        for key in keys:
            if len(self.published) >= self.fails_after:
                raise TransientError("killed")
            self.published.append(key)

    def progress(self) -> Progress:
        found = Progresses(self.config).read(BATCH)
        assert found is not None
        return found

    def finish(self) -> None:
        """Save an outcome for each image, as workers do; the last one fails."""
        storage = Storage(self.config)
        for name in NAMES[:-1]:
            storage.save(Classification.of(key_of(BATCH, name), [Prediction("tabby", 0.75)], "test"))
        storage.save(Failure.of(key_of(BATCH, NAMES[-1]), "broken"))


@pytest.fixture
def case(config: Settings, monkeypatch: pytest.MonkeyPatch) -> Case:
    for name, count in (("STEP", 5), ("PUBLISH_AT_ONCE", 2), ("PART", 5), ("COUNTED_AT_ONCE", 5)):
        monkeypatch.setattr(module, name, count)
    return Case(config)


def test_everything_is_published_counted_and_put_together(case: Case) -> None:
    case.record()
    runner = case.runner()
    runner.begin(BATCH)
    for _ in range(3):
        runner.round()
    assert case.published == [key_of(BATCH, name) for name in NAMES]
    assert case.firsts == {0}, "it waits for whoever waits"
    assert (case.progress().state, case.progress().counts()["waiting"]) == ("working", 12)
    case.finish()
    for _ in range(10):
        case.clock.now += COUNT_S
        runner.round()
    progress = case.progress()
    assert (progress.state, progress.done, progress.failed, progress.parts) == ("complete", 11, 1, 3)
    lines = []
    for part in range(3):
        key = f"{results_of(BATCH)}part-{part:05}.jsonl"
        body = case.s3.get_object(Bucket=case.config.buckets.output, Key=key)["Body"].read()
        lines += [json.loads(line) for line in body.splitlines()]
    assert [line["key"] for line in lines] == NAMES
    assert [line.get("label", line.get("reason")) for line in lines] == ["tabby"] * 11 + ["broken"]


def test_what_a_killed_process_had_begun_another_goes_on_with(case: Case) -> None:
    case.record(priority=INTERACTIVE)
    killed, other = case.runner(), case.runner()
    killed.begin(BATCH)
    killed.round()
    case.fails_after = 8
    with pytest.raises(TransientError):
        killed.round()
    case.fails_after = 10**6
    other.round()
    assert len(case.published) == 8, "the first may still be at it"
    case.clock.now += max(LEASE_S, LOOK_S)
    for _ in range(3):
        other.round()
    assert case.progress().listed
    assert case.progress().published == 12
    assert set(case.published) == {key_of(BATCH, name) for name in NAMES}
    assert len(case.published) < 12 + 5, "no more than a step is published twice"
    assert len(case.firsts) == 1
    assert case.firsts != {0}


def test_what_cannot_go_on_says_why_and_harms_no_other(case: Case) -> None:
    case.record(source=Source(case.config.buckets.input, manifest="none").to_json())
    runner = case.runner()
    runner.begin(BATCH)
    runner.round()
    assert "there is no manifest" in case.progress().problem
    assert case.progress().state == "failed"


def test_a_batch_that_was_deleted_is_published_no_further(case: Case) -> None:
    case.record()
    runner = case.runner()
    runner.begin(BATCH)
    runner.round()
    Records(case.config).forget(BATCH)
    runner._records.heard(BATCH)
    runner.round()
    assert case.progress().complete
    assert len(case.published) == 5
