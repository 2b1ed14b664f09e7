"""A batch's completion is told once it is complete, again and again until it is taken, and no longer than a day."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.aws.bucket import Bucket
from app.batches.marks import HOOKED, Marks
from app.batches.record import BatchRecord
from app.batches.records import Records
from app.batches.telling import Telling
from app.batches.webhook import MESSAGE_ID, SIGNATURE, TIMESTAMP, signed
from app.dispatch import Dispatch
from app.domain import Classification, Failure, Prediction, new_batch_id
from app.settings import HookSettings, Settings
from app.sources.progress import Progress, Progresses
from app.storage import Storage
from autoscaler.sweep.channels import Webhook
from autoscaler.sweep.completed import LONGEST_PAUSE_S, Completed
from tasks.celery import make_app
from tests.support.photographs import chelsea
from tests.support.webhooks import Receiver, receiver
from web.batches.orders import Orders

NOW = datetime(2026, 11, 28, 10, 16, tzinfo=UTC)


class Case:
    """A batch of two images whose maker wants to be told, and one who sweeps, whose time the test tells."""

    def __init__(self, config: Settings, hook: Receiver) -> None:
        self.config = replace(config, hooks=HookSettings(secret="secret", hosts=hook.host))
        self.storage, self.hook, self.now = Storage(config), hook, 0.0
        self.id = new_batch_id(NOW, os.urandom(4))
        app, records = make_app(config), Records(config)
        orders = Orders(self.config, self.storage, records, Telling(app, Dispatch(app, "test")), lambda keys: None)
        orders.make(BatchRecord(self.id, name="cats", webhook=f"{hook.host}/hook"))
        for name in ("a.png", "b.png"):
            self.storage.put_image(f"{self.id}/{name}", chelsea(), "image/png")
        self.restart()

    def restart(self) -> None:
        self.completed = Completed(self.config, Records(self.config), Webhook(self.config.hooks, self.config.aws))

    def finish(self) -> None:
        self.storage.save(Classification.of(f"{self.id}/a.png", [Prediction("tabby", 0.9)], "m"))
        self.storage.save(Failure.of(f"{self.id}/b.png", "cut short"))

    def rounds(self, count: int = 4) -> int:
        """Make rounds so far apart that all is due; return how many messages came."""
        before = len(self.hook.messages)
        for _ in range(count):
            self.now += LONGEST_PAUSE_S
            self.completed.round(self.now, NOW + timedelta(seconds=self.now))
        return len(self.hook.messages) - before

    def waited_for(self) -> list[str]:
        return list(Marks(self.config, HOOKED).names())


@pytest.fixture
def case(config: Settings) -> Iterator[Case]:
    with receiver() as hook:
        yield Case(config, hook)


def test_it_is_told_once_and_not_before_all_images_have_their_outcome(case: Case) -> None:
    assert case.rounds() == 0
    case.finish()
    assert case.rounds() == 1
    assert case.rounds() == 0
    assert case.waited_for() == []
    ((path, headers, body),) = case.hook.messages
    told = json.loads(body)
    assert path == "/hook"
    assert (told["type"], told["batch"], told["name"]) == ("batch.completed", case.id, "cats")
    assert told["counts"] == {"total": 2, "waiting": 0, "done": 1, "failed": 1, "cancelled": 0}
    assert told["id"] == headers[MESSAGE_ID] == f"completed-{case.id}"
    assert headers[SIGNATURE] == signed(body, "secret", told["id"], int(headers[TIMESTAMP]))[SIGNATURE]


def test_a_cancelled_batch_is_complete(case: Case) -> None:
    Records(case.config).update(case.id, lambda record: replace(record, cancelled_at=NOW))
    assert case.rounds() == 1
    assert json.loads(case.hook.messages[0][2])["counts"]["cancelled"] == 2


def test_a_batch_with_a_source_is_complete_when_that_is_listed_and_its_results_are_written(case: Case) -> None:
    source = {"bucket": case.config.buckets.input, "prefix": "photos/"}
    Records(case.config).update(case.id, lambda record: replace(record, source=source))
    progresses = Progresses(case.config)
    assert case.rounds() == 0
    progresses.begin(case.id)
    case.finish()
    progresses.change(case.id, lambda was: Progress(published=2, done=1, failed=1))
    assert case.rounds() == 0, "all that are published are done, and there may be more"
    progresses.change(case.id, lambda was: replace(was, listed=True, complete=True))
    assert case.rounds() == 1
    told = json.loads(case.hook.messages[0][2])
    assert told["counts"] == {"total": 2, "waiting": 0, "done": 1, "failed": 1, "cancelled": 0}


def test_a_batch_whose_source_cannot_be_read_is_told_to_have_failed(case: Case) -> None:
    Records(case.config).update(case.id, lambda record: replace(record, source={"bucket": "b", "prefix": ""}))
    Progresses(case.config).begin(case.id)
    Progresses(case.config).change(case.id, lambda was: Progress(problem="there is no manifest"))
    assert case.rounds() == 1
    told = json.loads(case.hook.messages[0][2])
    assert (told["type"], told["problem"]) == ("batch.failed", "there is no manifest")


def test_who_fails_at_first_is_told_the_same_again_by_another_autoscaler_too(case: Case) -> None:
    case.finish()
    case.hook.statuses = [500, 302, 503]
    assert case.rounds(3) == 2
    assert case.completed.untold == 1
    case.restart()
    assert case.rounds(3) == 2
    assert case.completed.untold == 0
    assert case.waited_for() == []
    messages = case.hook.messages
    assert {(path, headers[MESSAGE_ID], body) for path, headers, body in messages} == {
        ("/hook", f"completed-{case.id}", messages[0][2])
    }


def test_after_a_day_it_is_given_up(case: Case) -> None:
    case.finish()
    case.hook.statuses = [500] * 100
    assert 24 <= case.rounds(30) <= 26
    assert case.waited_for() == []


def test_a_batch_that_is_deleted_is_not_told_of(case: Case) -> None:
    Records(case.config).update(case.id, lambda record: replace(record, deleted_at=NOW))
    assert case.rounds() == 0
    assert case.waited_for() == []


def test_a_host_that_is_listed_no_more_is_not_told(case: Case) -> None:
    case.finish()
    case.config = replace(case.config, hooks=HookSettings(secret="secret", hosts="example.com"))
    case.restart()
    assert case.rounds() == 0
    assert case.waited_for() == []


def test_a_batch_that_has_had_no_image_for_a_day_is_waited_for_no_more(case: Case) -> None:
    for name in ("a.png", "b.png"):
        Bucket(case.config.aws, case.config.buckets.input).delete(f"{case.id}/{name}")
    assert case.rounds(20) == 0
    assert case.waited_for() == [case.id]
    assert case.rounds(20) == 0
    assert case.waited_for() == []
