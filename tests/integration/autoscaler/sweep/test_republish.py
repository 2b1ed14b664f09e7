"""Images whose message is lost are published again, a bounded number of times; all others are left alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app import aws
from app.announcements import ImageClassified, ImageFailed, Said
from app.aws.depth import QueueReader
from app.batches.marks import RETRIED, Marks
from app.batches.records import Records
from app.domain import Classification, Failure, Life, Prediction, new_batch_id
from app.settings import Settings
from app.storage import Storage
from autoscaler.sweep.order import SLOTS, Order
from autoscaler.sweep.republish import ATTEMPTS, BUSY_WINDOWS, LOOKS, Emptiness, Republisher, Resent
from autoscaler.sweep.rounds import Sweep
from tasks.celery import CLASSIFY, make_app
from tests.support.fault_proxy import FaultProxy
from tests.support.photographs import chelsea

WINDOW_S = 60.0
NOTHING = Resent()


class Case:
    """One system whose time the test tells, and a batch in it."""

    def __init__(self, config: Settings) -> None:
        self.config, self.storage, self.app = config, Storage(config), make_app(config)
        self.sqs = aws.client("sqs", config.aws)
        self.url = self.sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"]
        self.behind = self.sqs.get_queue_url(QueueName=config.queue.bulk)["QueueUrl"]
        self.batch = batch_of(datetime.now(UTC))
        self.republisher = Republisher(config, self.app)
        self.now = 0.0

    def store(self, *names: str, batch: str = "") -> list[str]:
        """Store photographs; nobody publishes them."""
        keys = [f"{batch or self.batch}/{name}" for name in names]
        for key in keys:
            self.storage.put_image(key, chelsea(), "image/png")
        return keys

    def classified(self, key: str) -> None:
        self.storage.save(Classification.of(key, [Prediction("tabby", 0.9)], "test"))

    def rounds(self, count: int, while_: Callable[[], object] = lambda: None) -> Resent:
        """Make rounds half a window apart; return what they did in all."""
        done = NOTHING
        for _ in range(count):
            while_()
            one = self.republisher.round(self.now, datetime.now(UTC) + timedelta(minutes=10, seconds=self.now))
            done = Resent(done.republished + one.republished, done.given_up + one.given_up)
            self.now += WINDOW_S / 2
        return done

    def queued(self) -> list[str]:
        """Take the messages of both queues out, and return their keys."""
        keys = []
        for url in (self.url, self.behind):
            # Without a wait: the queue's own is 20 s.
            ask = {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}
            while found := self.sqs.receive_message(**ask).get("Messages"):
                for message in found:
                    keys.append(key_of(message["Body"]))
                    self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(keys)


def key_of(body: str) -> str:
    from base64 import b64decode
    from json import loads

    from app.sqs import wire

    return str(loads(b64decode(wire.decode(body)["body"]))[0][0])


def batch_of(at: datetime) -> str:
    return new_batch_id(at, os.urandom(4))


@pytest.fixture
def case(config: Settings) -> Case:
    return Case(config)


# Three looks over a window, and three more over another.
ALL = 2 * LOOKS


def test_what_has_neither_outcome_nor_message_is_published_again_after_two_windows(case: Case) -> None:
    lost = case.store("a.png", "b.png", "ä b.png")
    case.classified(lost[0])
    case.storage.save(Failure.of(case.store("broken.png")[0], "it is damaged"))
    assert case.rounds(ALL - 1) == NOTHING
    with capture_logs() as logged:
        assert case.rounds(1) == Resent(republished=2)
    assert QueueReader(case.config).depths()[case.config.queue.bulk].visible == 2, "behind what people have just sent"
    assert case.queued() == sorted(lost[1:])
    (line,) = [line for line in logged if line["event"] == "images_queued"]
    assert sorted(line["tasks"]) == sorted(lost[1:])


def test_what_all_others_have_overtaken_is_published_again_though_the_queue_is_never_empty(case: Case) -> None:
    order = Order(WINDOW_S, lambda: case.now)
    case.republisher = Republisher(case.config, case.app, order=order)
    (lost,) = case.store("lost.png")
    (other,) = case.store("other.png")
    case.classified(other)
    case.app.send_task(CLASSIFY, (other,), ignore_result=True)  # so that the queue is never empty
    said = {"sent_s": 0.0}

    def others_are_done() -> None:
        life = Life("i-1", CLASSIFY, 1, 0.0, queued_at=time.time() + said["sent_s"])
        what = ImageClassified(Classification.of("b/other.png", [Prediction("tabby", 0.9)], "test"), life)
        order.hear(Said(what, "i-1@host", time.time()))

    # All that is done was sent as early as it: nothing is known.
    assert case.rounds(4 * SLOTS, others_are_done) == NOTHING
    # From here on, all that is done was sent long after it was stored.
    said["sent_s"] = 2 * order.window_s
    assert case.rounds(2 * SLOTS, others_are_done) == NOTHING
    found = case.rounds(2 * SLOTS * BUSY_WINDOWS, others_are_done)
    assert found == Resent(republished=1)
    assert case.queued() == sorted([lost, other])


def test_nothing_is_overtaken_while_something_is_put_off_or_waits_behind_or_is_tried_again(case: Case) -> None:
    order = Order(WINDOW_S, lambda: case.now)
    case.republisher = Republisher(case.config, case.app, order=order)
    (key,) = case.store("lost.png")
    time.sleep(2.1)  # S3 tells whole seconds
    life = Life("i-1", CLASSIFY, 1, 0.0, queued_at=time.time() - 1 + order.window_s)
    what = ImageFailed(Failure.of("b/other.png", "broken"), life)

    def others_are_done() -> None:
        order.hear(Said(what, "i-1@host", time.time()))

    case.sqs.send_message(QueueUrl=case.behind, MessageBody="x")
    assert case.rounds(6 * SLOTS, others_are_done) == NOTHING
    case.sqs.purge_queue(QueueUrl=case.behind)
    case.sqs.send_message(QueueUrl=case.url, MessageBody="x", DelaySeconds=900)
    assert case.rounds(6 * SLOTS, others_are_done) == NOTHING
    case.sqs.purge_queue(QueueUrl=case.url)
    case.sqs.send_message(QueueUrl=case.url, MessageBody="x")
    marks = Marks(case.config, RETRIED)
    marks.put(case.batch)  # its message is younger than the image
    assert case.rounds(6 * SLOTS, others_are_done) == NOTHING
    marks.remove(case.batch)
    assert case.rounds(2 * SLOTS * BUSY_WINDOWS, others_are_done) == Resent(republished=1)
    assert case.storage.outcome(key) is None


def test_after_three_attempts_an_image_is_given_up_with_a_reason_also_by_another_autoscaler(case: Case) -> None:
    (key,) = case.store("a.png")
    for _ in range(ATTEMPTS):
        case.republisher = Republisher(case.config, case.app)
        assert case.rounds(ALL) == Resent(republished=1)
        assert case.queued() == [key]
    assert case.rounds(ALL) == Resent(given_up=1)
    outcome = case.storage.outcome(key)
    assert isinstance(outcome, Failure)
    assert "published again 3 times in vain" in outcome.reason
    assert case.rounds(2 * ALL) == NOTHING
    assert case.queued() == []


@pytest.mark.parametrize("state", ["visible", "in flight", "delayed"])
def test_while_the_queue_holds_any_message_nothing_is_published(case: Case, state: str) -> None:
    case.store("a.png")
    case.app.send_task(CLASSIFY, ("another",), countdown=600 if state == "delayed" else None)
    if state == "in flight":
        assert case.sqs.receive_message(QueueUrl=case.url, VisibilityTimeout=600)["Messages"]
    assert case.rounds(2 * ALL) == NOTHING


def test_while_unfinished_images_get_their_outcomes_somebody_works_on_them(case: Case) -> None:
    keys = case.store(*(f"{n}.png" for n in range(4)))
    for key in keys[:3]:
        assert case.rounds(LOOKS) == NOTHING
        case.classified(key)
    # Nothing moves any more: the fourth is lost.
    assert case.rounds(ALL) == Resent(republished=1)
    assert case.queued() == keys[3:]


def test_an_image_that_was_stored_within_the_window_is_still_on_its_way(case: Case) -> None:
    case.rounds(LOOKS)

    def upload() -> None:
        later = batch_of(datetime.now(UTC) + timedelta(minutes=10, seconds=case.now))
        case.store("a.png", batch=later)

    assert case.rounds(ALL, upload) == NOTHING


def test_a_dead_letter_is_told_and_not_published_again(config: Settings) -> None:
    case = Case(config)
    (key,) = case.store("a.png")
    case.storage.mark_begun(key)
    case.app.send_task(CLASSIFY, (key,))
    for _ in range(6):
        case.sqs.receive_message(QueueUrl=case.url, VisibilityTimeout=0, WaitTimeSeconds=1)
    # That sweep has just missed the letter: its count lags.
    case.republisher = Sweep(config, case.app)._republisher
    assert case.rounds(ALL) == NOTHING
    outcome = case.storage.outcome(key)
    assert isinstance(outcome, Failure)
    assert "gave up after 5 attempts" in outcome.reason


def test_while_nothing_is_to_do_the_buckets_are_searched_ever_more_rarely(config: Settings, proxy: FaultProxy) -> None:
    case = Case(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)))
    case.rounds(240)  # two hours
    searched = proxy.calls["ListObjectsV2"]
    assert 6 <= searched <= 3 * 8  # three listings make a search: images, outcomes, and batches marked
    case.app.send_task(CLASSIFY, ("x",))
    case.rounds(1)
    case.queued()
    searched = proxy.calls["ListObjectsV2"]
    case.rounds(LOOKS)
    assert proxy.calls["ListObjectsV2"] == searched + 3, "after work it looks again soon"


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.1, 40)), max_size=60))
def test_a_queue_is_believed_empty_only_after_three_looks_over_a_window_without_a_message(
    looks: list[tuple[int, float]],
) -> None:
    emptiness, now = Emptiness(WINDOW_S), 0.0
    seen: list[tuple[int, float]] = []
    for outstanding, pause in looks:
        now += pause
        seen.append((outstanding, now))
        believed: Any = emptiness.look(outstanding, now)
        empty = seen[max((n + 1 for n, (count, _) in enumerate(seen) if count), default=0) :]
        assert believed == (len(empty) >= LOOKS and empty[-1][1] - empty[0][1] >= WINDOW_S)


def test_images_of_a_cancelled_batch_are_not_published_again_and_others_are(case: Case) -> None:
    dropped = batch_of(datetime.now(UTC))
    case.store("a.png", "b.png", batch=dropped)
    (lost,) = case.store("c.png")
    asked: list[set[str]] = []

    def cancelled(batches: set[str]) -> set[str]:
        asked.append(batches)
        return batches & {dropped}

    case.republisher = Republisher(case.config, case.app, dropped=cancelled)
    assert case.rounds(12).republished == 1
    assert case.queued() == [lost]
    assert asked[0] == {dropped, case.batch}


def test_the_sweep_asks_the_records_which_batches_are_cancelled(case: Case) -> None:
    config = replace(case.config, autoscaler=replace(case.config.autoscaler, republish_s=WINDOW_S))
    case.store("a.png")
    Records(config).update(case.batch, lambda record: replace(record, cancelled_at=datetime.now(UTC)))
    sweep, at = Sweep(config, case.app), datetime.now(UTC) + timedelta(minutes=10)
    for n in range(12):
        sweep.round(n * WINDOW_S / 2, at + timedelta(seconds=n * WINDOW_S / 2))
    assert case.queued() == []
