"""Batches of what is in S3 already: all of it published, whoever is killed, and the results put together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
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
from web.sources import results
from web.sources import runner as module
from web.sources.results import results_of
from web.sources.runner import ATTEMPTS, COUNT_S, HEARD_BY, OTHERS_S, QUIET_S, Runner

BATCH = "20991128T101530123Z-9f2c01ab"
NAMES = [f"photos/{n:02}.jpg" for n in range(12)]


class Case:
    """A bucket with photographs, a batch of them, and runners whose time the test tells."""

    def __init__(self, config: Settings) -> None:
        self.config, self.clock, self.published = config, Clock(1000.0), list[str]()
        self.firsts: set[float | None] = set()
        self.fails_after, self.outstanding = 10**6, 0
        self.s3 = aws.client("s3", config.aws)
        for name in NAMES:
            self.s3.put_object(Bucket=config.buckets.input, Key=name, Body=b"x")

    def record(self, **fields: Any) -> None:
        source = {"bucket": self.config.buckets.input, "prefix": "photos/"}
        Records(self.config).make(BatchRecord(BATCH, **{"source": source, "priority": "bulk", **fields}))

    def runner(self) -> Runner:
        progresses = Progresses(self.config, self.clock)
        return Runner(self.config, Records(self.config), progresses, self.publish, lambda: self.outstanding, self.clock)

    def publish(self, keys: Sequence[str], first: float | None) -> None:
        self.firsts.add(first)
        for key in keys:
            if len(self.published) >= self.fails_after:
                raise TransientError("killed")
            self.published.append(key)

    def rounds(self, runner: Runner, count: int = 10, pause_s: float = COUNT_S) -> None:
        for _ in range(count):
            self.clock.now += pause_s
            runner.round()

    def progress(self) -> Progress:
        found = Progresses(self.config).read(BATCH)
        assert found is not None
        return found

    def lines(self, parts: int) -> list[dict[str, Any]]:
        """Return what the files of results have."""
        lines: list[dict[str, Any]] = []
        for part in range(parts):
            key = f"{results_of(BATCH)}part-{part:05}.jsonl"
            body = self.s3.get_object(Bucket=self.config.buckets.output, Key=key)["Body"].read()
            lines += [json.loads(line) for line in body.splitlines()]
        return lines

    def finish(self) -> None:
        """Save an outcome for each image, as workers do; the last one fails."""
        storage = Storage(self.config)
        for name in NAMES[:-1]:
            storage.save(Classification.of(key_of(BATCH, name), [Prediction("tabby", 0.75)], "test"))
        storage.save(Failure.of(key_of(BATCH, NAMES[-1]), "broken"))


@pytest.fixture
def case(config: Settings, monkeypatch: pytest.MonkeyPatch) -> Case:
    for name, count in (("STEP", 5), ("PUBLISH_AT_ONCE", 2), ("COUNTED_AT_ONCE", 5)):
        monkeypatch.setattr(module, name, count)
    monkeypatch.setattr(results, "PART", 5)
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
    case.rounds(runner)
    progress = case.progress()
    assert (progress.state, progress.done, progress.failed, progress.parts) == ("complete", 11, 1, 3)
    lines = case.lines(3)
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
    case.clock.now += LEASE_S - OTHERS_S
    other.round()
    assert len(case.published) == 8
    case.clock.now += OTHERS_S
    for _ in range(3):
        other.round()
    assert case.progress().listed
    assert case.progress().published == 12
    assert set(case.published) == {key_of(BATCH, name) for name in NAMES}
    assert len(case.published) < 12 + 5, "no more than a step is published twice"
    assert len(case.firsts) == 1
    assert case.firsts != {0}


def test_a_batch_in_which_nothing_changes_is_let_alone_until_it_is_stirred(case: Case) -> None:
    case.record()
    runner = case.runner()
    runner.begin(BATCH)
    for _ in range(3):
        runner.round()
    looked = [case.progress().at]
    for _ in range(100):
        case.clock.now += 1
        runner.round()
        looked += [at] if (at := case.progress().at) != looked[-1] else []
    pauses = [after - before for before, after in pairwise(looked)]
    assert pauses[-3:] == [QUIET_S] * 3
    assert max(pauses) < LEASE_S, "nobody takes it for left"
    case.finish()
    runner.stirred(BATCH)
    case.rounds(runner)
    assert case.progress().state == "complete"


def test_what_a_process_that_stops_had_begun_another_goes_on_with_at_once(case: Case) -> None:
    case.record()
    stopped, other = case.runner(), case.runner()
    stopped.begin(BATCH)
    stopped.round()
    stopped.leave()
    for _ in range(2):
        other.round()
    assert case.progress().listed
    assert case.published == [key_of(BATCH, name) for name in NAMES]


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


def test_a_batch_that_is_cancelled_is_published_no_further_and_has_the_results_that_there_are(case: Case) -> None:
    case.record()
    runner = case.runner()
    runner.begin(BATCH)
    runner.round()
    Storage(case.config).save(Classification.of(key_of(BATCH, NAMES[0]), [Prediction("tabby", 0.75)], "test"))
    cancelled_at = datetime.now(UTC)
    Records(case.config).update(BATCH, lambda was: replace(was, cancelled_at=cancelled_at))
    runner._records.heard(BATCH)
    case.rounds(runner, 5)
    assert not case.progress().over, "a worker that did not hear of it may be at one"
    assert case.progress().counts(cancelled=True) == {"total": 5, "waiting": 0, "done": 1, "failed": 0, "cancelled": 4}
    Records(case.config).update(BATCH, lambda was: replace(was, cancelled_at=cancelled_at - HEARD_BY))
    runner._records.heard(BATCH)
    case.rounds(runner, 5)
    assert (len(case.published), case.progress().state) == (5, "complete")
    assert [line["key"] for line in case.lines(case.progress().parts)] == NAMES[:1]


def test_images_whose_messages_are_lost_are_published_again_and_given_up_in_the_end(case: Case) -> None:
    case.record()
    runner = case.runner()
    runner.begin(BATCH)
    case.rounds(runner, 4)
    storage = Storage(case.config)
    for name in NAMES[:-2]:
        storage.save(Classification.of(key_of(BATCH, name), [Prediction("tabby", 0.75)], "test"))
    lost = [key_of(BATCH, name) for name in NAMES[-2:]]
    window_s = case.config.autoscaler.republish_s
    case.outstanding = 1
    case.rounds(runner, 6, window_s)
    assert len(case.published) == 12, "while there are messages, they may be among them"
    case.outstanding = 0
    case.rounds(runner, 60, window_s)
    assert case.published[12:] == lost * ATTEMPTS
    progress = case.progress()
    assert (progress.state, progress.done, progress.failed) == ("complete", 10, 2)
    assert "message was lost" in case.lines(3)[-1]["reason"]


def test_a_manifest_that_names_an_image_twice_is_complete_too(case: Case) -> None:
    lines = "".join(json.dumps({"key": name}) + "\n" for name in [*NAMES, *NAMES[:3]])
    case.s3.put_object(Bucket=case.config.buckets.input, Key="list.jsonl", Body=lines.encode())
    case.record(source=Source(case.config.buckets.input, manifest="list.jsonl").to_json())
    runner = case.runner()
    runner.begin(BATCH)
    case.finish()
    case.rounds(runner, 30, case.config.autoscaler.republish_s)
    progress = case.progress()
    assert (progress.state, progress.published, progress.done, progress.failed) == ("complete", 12, 11, 1)
    assert len(case.published) == 15
