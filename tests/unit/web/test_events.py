"""What the web tier does with an event: an image's outcome is news of its batch, all else is news of the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from app.announcements import Announcement, BatchChanged, ImageClassified, ImageFailed, WorkerHeartbeat
from app.batches.record import BatchRecord
from app.domain import Classification, Failure, Prediction
from app.errors import ConfigurationError, TransientError
from app.sqs import memory
from tests.support.fleet import Announcer, decision
from tests.support.waiting import wait_for
from web.events import Listener
from web.tier import Tier

CAT = Classification.of("b/cat.jpg", [Prediction("tabby", 0.9)], "m")
BROKEN = Failure.of("b/broken.jpg", "cut short")

Hear = Callable[[Announcement], None]


@pytest.fixture
def hear(tier: Tier) -> Iterator[Hear]:
    """Announce something, and return when the listener has heard it."""
    listener = Listener(tier)
    listener.start()
    with tier.celery.connection_for_write() as connection:
        announcer = Announcer(tier.celery, connection)
        wait_for(lambda: memory.cloud.subscriptions)

        def hear(what: Announcement) -> None:
            announcer.say(what)
            # In the order of one queue: what comes behind it tells that it was heard.
            mark = f"mark-{next(marks)}"
            announcer.say(WorkerHeartbeat(0, 0), f"{mark}@host")
            wait_for(lambda: mark in {worker["id"] for worker in tier.fleet.view()["other_workers"]}, 20)

        marks = iter(range(100))
        yield hear
    listener.stop()


def test_an_outcome_is_told_to_those_who_look_at_its_batch_and_counted(tier: Tier, hear: Hear) -> None:
    with tier.feed._watching("b") as watch:
        hear(ImageClassified(CAT))
        hear(ImageFailed(BROKEN))
        assert watch.batch.outcome(CAT.key) == CAT
        assert watch.batch.outcome(BROKEN.key) == BROKEN
    counted = tier.counts.snapshot()
    assert (counted["images_classified"], counted["images_failed"]) == (1, 1)


def test_an_outcome_counts_as_finished_in_the_fleet_s_history(tier: Tier, hear: Hear) -> None:
    hear(ImageClassified(CAT))
    hear(ImageFailed(BROKEN))
    hear(decision())
    assert tier.fleet.view()["history"][-1]["finished"] == 2


def test_a_decision_is_news_of_the_fleet_and_counts_as_no_image(tier: Tier, hear: Hear) -> None:
    hear(decision(desired=7))
    assert tier.fleet.view()["decision"]["desired"] == 7
    assert not {"images_classified", "images_failed"} & set(tier.counts.snapshot())


def test_a_change_of_a_batch_has_its_record_read_again(tier: Tier, hear: Hear) -> None:
    id = "20261128T101530123Z-9f2c01ab"
    tier.records.make(BatchRecord(id))
    assert tier.records.find(id) is None  # as is known, without a look
    hear(BatchChanged(id))
    with pytest.raises((ConfigurationError, TransientError)):  # there is no bucket to read it from
        tier.records.find(id)
