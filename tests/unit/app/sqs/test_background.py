"""Threads that outlive their errors, and errors that are told once, however often they come."""

from __future__ import annotations

import logging
import threading

import pytest

from app.sqs import background
from app.sqs.background import Trouble
from tests.unit.app.sqs.conftest import counted


def test_a_step_that_fails_is_logged_and_counted_and_taken_again(caplog: pytest.LogCaptureFixture) -> None:
    stopped, again, before = threading.Event(), threading.Event(), counted("thread_errors")
    errors = [ZeroDivisionError("not foreseen")]

    def step() -> None:
        if errors:
            raise errors.pop()
        again.set()
        stopped.wait()

    thread = background.start("sqs-test", step, stopped)
    assert again.wait(10)
    stopped.set()
    thread.join(10)
    assert counted("thread_errors") == before + 1
    (record,) = [record for record in caplog.records if record.name == "app.sqs"]
    assert record.getMessage() == "thread_error name=sqs-test"
    assert record.exc_info is not None


def test_it_ends_once_it_is_stopped_even_while_it_pauses_after_an_error() -> None:
    stopped, taken = threading.Event(), []

    def step() -> None:
        taken.append(None)
        stopped.set()
        raise ZeroDivisionError

    thread = background.start("sqs-test", step, stopped)
    thread.join(10)
    assert not thread.is_alive()
    assert len(taken) == 1


def test_no_such_thread_keeps_a_process_from_ending() -> None:
    stopped = threading.Event()
    thread = background.start("sqs-test", stopped.wait, stopped)
    assert thread.daemon
    stopped.set()
    thread.join(10)


def test_a_series_of_errors_is_told_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble("poll")
    with caplog.at_level(logging.WARNING, "app.sqs"):
        trouble.over()
        assert not trouble
        for _ in range(5):
            trouble.failed(OSError("no route"))
            assert trouble
        trouble.over()
        trouble.over()
        assert not trouble
    assert [record.getMessage() for record in caplog.records] == [
        "poll_failed error=no route: trying again until it works",
        "poll_recovered after=5 attempts",
    ]


def test_the_pauses_double_up_to_two_seconds_and_begin_anew_after_a_success() -> None:
    trouble = Trouble("poll")
    pauses = [trouble.failed(OSError()) for _ in range(8)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2])
    for _ in range(2000):
        assert trouble.failed(OSError()) == 2, "however long it lasts"
    trouble.over()
    assert trouble.failed(OSError()) == pytest.approx(0.1)
