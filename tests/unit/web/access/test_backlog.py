"""Images that wait, by who handed them in."""

from __future__ import annotations

from tests.support.clock import Clock
from web.access.backlog import FORGOTTEN_S, Backlog


def test_what_a_caller_handed_in_counts_until_it_has_its_outcome() -> None:
    backlog = Backlog(Clock(0))
    backlog.add("alice", ["a/1", "a/2", "b/1"])
    backlog.add("bob", ["c/1"])
    backlog.finished("a/1")
    backlog.finished("of/nobody")
    assert (backlog.of("alice"), backlog.of("bob"), backlog.of("carol")) == (2, 1, 0)
    for key in ("a/2", "a/2", "b/1"):
        backlog.finished(key)
    assert backlog.of("alice") == 0


def test_what_nothing_was_heard_of_for_long_counts_no_more() -> None:
    clock = Clock(0)
    backlog = Backlog(clock)
    backlog.add("alice", ["a/1", "b/1", "b/2"])
    clock.now = FORGOTTEN_S
    backlog.finished("b/1")
    assert backlog.of("alice") == 2
    clock.now = FORGOTTEN_S + 1
    assert backlog.of("alice") == 1
