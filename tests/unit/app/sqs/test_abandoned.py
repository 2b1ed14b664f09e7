"""What everybody has let go of is noticed, and dealt with in a thread that may take locks and may fail."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from app.sqs.abandoned import Abandoned
from tests.support.waiting import wait_for
from tests.unit.app.sqs.conftest import counted


class Thing:
    """Anything that can be let go of."""


@pytest.fixture
def abandoned() -> Iterator[Abandoned]:
    abandoned = Abandoned()
    yield abandoned
    abandoned.stop()


def test_it_calls_back_in_a_thread_of_its_own_once_nobody_has_the_thing(abandoned: Abandoned) -> None:
    called: SimpleQueue[threading.Thread] = SimpleQueue()
    thing = Thing()
    watch = abandoned.watch(thing, lambda: called.put(threading.current_thread()))
    another = thing
    del thing
    assert called.empty(), "somebody has it still"
    del another
    assert called.get(timeout=10) is not threading.current_thread()
    assert watch() is None


def test_who_lets_go_of_the_watch_is_not_called(abandoned: Abandoned) -> None:
    called: SimpleQueue[str] = SimpleQueue()
    settled, lost = Thing(), Thing()
    watches = [
        abandoned.watch(settled, lambda: called.put("settled")),
        abandoned.watch(lost, lambda: called.put("lost")),
    ]
    del watches[0]
    del settled, lost
    assert called.get(timeout=10) == "lost"
    assert called.empty()


def test_a_thing_in_a_circle_is_noticed_under_a_lock_that_its_callback_takes(abandoned: Abandoned) -> None:
    lock, called = threading.Lock(), threading.Event()

    def then() -> None:
        with lock:
            called.set()

    thing = Thing()
    thing.itself = thing  # type: ignore[attr-defined]
    watch = abandoned.watch(thing, then)
    with lock:
        del thing
        gc.collect()  # in this thread, which would wait for itself for ever
        assert not called.is_set()
    assert called.wait(10)
    assert watch() is None


def test_a_callback_that_fails_costs_no_other_its_call(abandoned: Abandoned) -> None:
    called, before = threading.Event(), counted("thread_errors")
    things = [Thing(), Thing()]
    watches = [abandoned.watch(things[0], lambda: 1 / 0), abandoned.watch(things[1], called.set)]
    del things[0]
    wait_for(lambda: counted("thread_errors") == before + 1, 10)
    things.clear()
    assert called.wait(10)
    assert [watch() for watch in watches] == [None, None]
