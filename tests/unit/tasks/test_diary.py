"""When what was done for an image, by what its request says and by the clock."""

from __future__ import annotations

from itertools import count

import pytest
from celery.app.task import Context

from app.errors import InvalidImage
from tasks.diary import Diary


def test_it_has_what_the_queue_said_and_what_was_noted() -> None:
    ticks = count(102.5, 0.5)
    request = Context(task="tasks.classify", hostname="i-0aaa@host", receives=2, sent_at=100.0, received_at=102.0)
    diary = Diary("b/cat.png", request, lambda: next(ticks))
    with diary.step("fetched"):
        pass
    with diary.step("decoded"):
        pass
    with pytest.raises(InvalidImage), diary.step("run"):
        raise InvalidImage("it is none")

    life = diary.closed()
    assert (life.worker, life.task, life.receives) == ("i-0aaa", "tasks.classify", 2)
    times = (life.queued_at, life.received_at, life.fetched_at, life.decoded_at, life.run_at, life.stored_at)
    assert times == (100.0, 102.0, 103.0, 103.5, None, 104.0)


def test_on_another_transport_the_queue_says_nothing() -> None:
    life = Diary("b/cat.png", Context(task="tasks.classify", hostname=None), lambda: 1.0).closed()
    assert (life.receives, life.queued_at, life.received_at, life.stored_at) == (1, None, None, 1.0)


def test_a_message_that_was_put_off_is_queued_from_when_it_is_due() -> None:
    due = "1970-01-01T00:10:00+00:00"
    assert (
        Diary("b/cat.png", Context(task="t", hostname=None, sent_at=100.0, eta=due), lambda: 700.0).closed().queued_at
        == 600.0
    )
    assert (
        Diary("b/cat.png", Context(task="t", hostname=None, sent_at=650.0, eta=due), lambda: 700.0).closed().queued_at
        == 650.0
    )
