"""How far a batch has come: one runner at a time, and another in its place when it is silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app import aws
from app.errors import ConfigurationError
from app.settings import Settings
from app.sources.progress import LEASE_S, Progress, Progresses
from app.storage import SOURCES
from tests.support.clock import Clock

BATCH = "20261128T101530123Z-9f2c01ab"


def more(progress: Progress) -> Progress:
    return replace(progress, published=progress.published + 5, after="e")


def test_each_step_goes_on_where_the_last_one_ended(config: Settings) -> None:
    progresses = Progresses(config)
    assert progresses.read(BATCH) is None
    progresses.begin(BATCH)
    assert progresses.step(BATCH, "a", more)
    progresses.begin(BATCH)
    found = progresses.step(BATCH, "a", more)
    assert found is not None
    assert (found.published, found.after, found.state) == (10, "e", "listing")
    assert list(progresses.unfinished("")) == [BATCH]
    assert list(progresses.unfinished("20261129")) == []


def test_another_goes_on_only_once_the_first_is_silent_and_the_first_writes_no_more(config: Settings) -> None:
    clock = Clock(1000.0)
    progresses = Progresses(config, clock)
    progresses.begin(BATCH)
    assert progresses.step(BATCH, "a", more)
    clock.now += LEASE_S - 1
    theirs = progresses.step(BATCH, "b", more)
    assert theirs is not None
    assert (theirs.runner, theirs.published) == ("a", 5)

    def while_silent(progress: Progress) -> Progress:
        clock.now += LEASE_S + 1
        assert progresses.step(BATCH, "b", more)
        return more(progress)

    theirs = progresses.step(BATCH, "a", while_silent)
    assert theirs is not None
    assert (theirs.runner, theirs.published) == ("b", 10)
    assert progresses.read(BATCH) == theirs


def test_who_leaves_is_followed_at_once(config: Settings) -> None:
    progresses = Progresses(config)
    progresses.begin(BATCH)
    assert progresses.step(BATCH, "a", more)
    progresses.leave(BATCH, "b")
    theirs = progresses.step(BATCH, "b", more)
    assert theirs is not None
    assert theirs.runner == "a", "only who is at it can leave it"
    progresses.leave(BATCH, "a")
    mine = progresses.step(BATCH, "b", more)
    assert mine is not None
    assert (mine.runner, mine.published) == ("b", 10)


def test_what_is_deleted_takes_no_step(config: Settings) -> None:
    assert Progresses(config).step(BATCH, "a", more) is None


def test_what_is_over_takes_no_further_step(config: Settings) -> None:
    progresses = Progresses(config)
    progresses.begin(BATCH)
    progresses.step(BATCH, "a", lambda progress: replace(progress, listed=True, complete=True))
    found = progresses.step(BATCH, "b", more)
    assert found is not None
    assert (found.published, found.state) == (0, "complete")


def test_what_is_no_progress_is_named(config: Settings) -> None:
    key = f"{SOURCES}{BATCH}.json"
    aws.client("s3", config.aws).put_object(
        Bucket=config.buckets.output, Key=key, Body=b'{"published": 1, "so_far": 3}'
    )
    with pytest.raises(ConfigurationError, match="is no progress"):
        Progresses(config).read(BATCH)


@pytest.mark.parametrize(
    ("progress", "state"),
    [
        (Progress(), "listing"),
        (Progress(listed=True, published=2, done=1), "working"),
        (Progress(listed=True, published=2, done=1, failed=1), "collecting"),
        (Progress(listed=True, complete=True), "complete"),
        (Progress(problem="no manifest"), "failed"),
    ],
)
def test_it_is_said_in_a_word(progress: Progress, state: str) -> None:
    assert progress.state == progress.to_public()["state"] == state
    assert sum(progress.counts().values()) == 2 * progress.counts()["total"]
    assert progress.counts(cancelled=True)["cancelled"] == progress.counts()["waiting"]
