"""Which messages a worker drops: what it was told, and what is marked, whichever came last."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from celery.worker.control import Panel
from structlog.testing import capture_logs

from app.domain import DROP_COMMAND
from app.errors import TransientError
from tasks.worker import dropping
from tasks.worker.dropping import Dropped, Looking
from tests.support.waiting import wait_for

A, B = "20261128T101530123Z-9f2c01ab", "20261128T101530123Z-9f2c01ac"


@pytest.fixture(autouse=True)
def dropped(monkeypatch: pytest.MonkeyPatch) -> Dropped:
    made = Dropped()
    monkeypatch.setattr(dropping, "dropped", made)
    return made


def test_what_remote_control_says_counts_at_once(dropped: Dropped) -> None:
    Panel.data[DROP_COMMAND](None, batch=A, drop=True)
    assert dropped.has(f"{A}/2023/cat.jpg")
    assert not dropped.has(f"{B}/cat.jpg")
    Panel.data[DROP_COMMAND](None, batch=A, drop=False)
    assert not dropped.has(f"{A}/2023/cat.jpg")


def test_a_worker_that_did_not_hear_learns_it_from_the_marks(dropped: Dropped) -> None:
    dropped.look(lambda: [A])
    assert dropped.has(f"{A}/cat.jpg")
    dropped.look(lambda: [])
    assert not dropped.has(f"{A}/cat.jpg")


def test_what_is_told_during_a_look_is_newer_than_what_that_finds(dropped: Dropped) -> None:
    def marked() -> Iterator[str]:
        dropped.tell(A, True)
        dropped.tell(B, False)
        yield B

    dropped.look(marked)
    assert dropped.has(f"{A}/cat.jpg")
    assert not dropped.has(f"{B}/cat.jpg")
    dropped.look(lambda: [B])
    assert not dropped.has(f"{A}/cat.jpg")
    assert dropped.has(f"{B}/cat.jpg")


def test_what_is_no_batch_is_not_remembered(dropped: Dropped) -> None:
    dropped.tell("x" * 10_000, True)
    assert not dropped.has("x" * 10_000)


def test_marks_are_looked_at_at_once_and_then_only_while_messages_come(dropped: Dropped) -> None:
    looks, asked, touched = [0], threading.Semaphore(0), [1.0]

    def marked() -> list[str]:
        looks[0] += 1
        return [A]

    def touched_at() -> float:
        asked.release()
        return touched[0]

    looking = Looking(marked, pause_s=0.01)
    looking.start(10)
    assert dropped.has(f"{A}/cat.jpg")
    looking.touched_at = touched_at
    for _ in range(5):
        assert asked.acquire(timeout=10)
    assert looks == [2]
    touched[0] += 1
    wait_for(lambda: looks == [3], 10)
    looking.stop()


def test_a_bucket_that_does_not_answer_is_said_and_asked_again(dropped: Dropped) -> None:
    answers = iter([TransientError("no answer"), [A]])

    def marked() -> list[str]:
        answer = next(answers, [A])
        if isinstance(answer, TransientError):
            raise answer
        return answer

    times = iter(range(1, 1000))
    looking = Looking(marked, pause_s=0.01)
    looking.touched_at = lambda: float(next(times))
    with capture_logs() as logs:
        looking.start()
        wait_for(lambda: dropped.has(f"{A}/cat.jpg"), 10)
    looking.stop()
    assert [line["event"] for line in logs] == ["dropped_batches_unknown"]
