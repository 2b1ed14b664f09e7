"""One batch, watched: when the buckets are asked, by a clock that the test moves, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.domain import Classification, Failure, Prediction
from app.errors import ConfigurationError
from app.settings import Settings
from app.storage import Storage
from tests.support import photographs
from tests.support.clock import Clock
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import wait_for
from web.batches.watch import (
    AFTER_ERROR_S,
    FASTEST_POLL_S,
    POLL_AMID_EVENTS_S,
    POLL_SHARE,
    READ_AT_ONCE,
    SLOWEST_POLL_S,
    Watch,
)

CAT = photographs.chelsea()
BATCH = "20260101T000000000Z-0a0b0c0d"


class Pool(ThreadPoolExecutor):
    """Reads results, which takes so many seconds of the test's time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(4)
        self._clock, self.takes_s = clock, 0.0

    def map(self, *given: Any, **more: Any) -> Any:
        self._clock.now += self.takes_s
        return super().map(*given, **more)


class Looking:
    """A watch on real buckets, and one who waits for its news."""

    def __init__(self, config: Settings, proxy: FaultProxy) -> None:
        self.storage = Storage(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)))
        self.clock, self._proxy = Clock(1000.0), proxy
        self.pool = Pool(self.clock)
        self.watch = Watch(BATCH, self.storage, self.pool, self.clock)

    def after(self, seconds: float) -> int:
        """Let time pass, then wait for news without patience; return how many listings were made of it."""
        self.clock.now += seconds
        before = self._proxy.calls["ListObjectsV2"]
        self.watch.poll()
        return self._proxy.calls["ListObjectsV2"] - before

    def until_listed(self, step_s: float = 0.05) -> float:
        """Let time pass until the buckets are asked; return how long that was, in seconds."""
        began = self.clock.now
        while not self.after(step_s):
            assert self.clock.now - began < 60
        return self.clock.now - began

    def store(self, *names: str) -> None:
        for name in names:
            self.storage.put_image(f"{BATCH}/{name}", CAT, "image/png")

    def fail(self, *names: str) -> None:
        """Save outcomes, of which no event tells."""
        for name in names:
            self.storage.save(failure(name))

    @property
    def complete(self) -> bool:
        return self.watch.since(self.watch.batch.position).complete


def failure(name: str) -> Failure:
    return Failure.of(f"{BATCH}/{name}", "cut short")


@pytest.fixture
def looking(config: Settings, proxy: FaultProxy) -> Iterator[Looking]:
    looking = Looking(config, proxy)
    yield looking
    looking.pool.shutdown()


def test_the_first_look_is_at_once_and_of_both_buckets_and_while_some_wait_the_next_are_of_results(
    looking: Looking,
) -> None:
    looking.store("a.png")
    assert looking.after(0) == 2
    assert looking.watch.batch.counts().waiting == 1
    assert looking.after(0) == 0
    assert looking.after(SLOWEST_POLL_S) == 1


def test_a_batch_without_news_is_asked_for_ever_more_rarely_and_with_news_often_again(looking: Looking) -> None:
    looking.store("a.png", "b.png")
    looking.after(0)
    pauses = [looking.until_listed() for _ in range(10)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 2 * FASTEST_POLL_S
    assert pauses[-1] == pytest.approx(SLOWEST_POLL_S, abs=0.06)
    looking.fail("a.png")
    looking.until_listed()
    assert looking.until_listed() == pytest.approx(FASTEST_POLL_S, abs=0.06)


def test_looks_that_take_long_take_no_more_than_their_share_of_the_time(looking: Looking) -> None:
    looking.store("a.png")
    looking.after(0)
    looking.pool.takes_s = 3.0
    looking.until_listed()
    assert looking.until_listed() == pytest.approx(3.0 / POLL_SHARE + looking.pool.takes_s, abs=0.06)


def test_while_events_bring_the_news_the_buckets_are_hardly_asked_and_what_was_lost_is_found(looking: Looking) -> None:
    names = [f"{n}.png" for n in range(31)]
    looking.store(*names)
    looking.after(0)
    asked = []
    for name in names[:30]:
        looking.watch.learn(failure(name).key, failure(name))
        asked.append(looking.after(1.0))
    assert sum(asked) == 30 / POLL_AMID_EVENTS_S
    looking.fail("30.png")
    assert looking.until_listed() <= SLOWEST_POLL_S
    assert looking.watch.batch.outcome(f"{BATCH}/30.png") == failure("30.png")


def test_what_an_event_told_is_not_read_again(looking: Looking, proxy: FaultProxy) -> None:
    looking.store("a.png", "b.png")
    looking.after(0)
    cat = Classification.of(f"{BATCH}/a.png", [Prediction("tabby", 0.9)], "m")
    looking.storage.save(cat)
    looking.watch.learn(cat.key, cat)
    looking.fail("b.png")
    looking.until_listed()
    assert looking.watch.batch.counts().waiting == 0
    assert proxy.calls["GetObject"] == 1


def test_the_last_outcome_has_the_images_looked_at_once_more_before_the_batch_is_complete(looking: Looking) -> None:
    looking.store("a.png")
    looking.after(0)
    looking.store("b.png")  # by another process, which tells nobody here
    looking.fail("a.png")
    looking.watch.learn(failure("a.png").key, failure("a.png"))
    assert not looking.complete
    assert looking.after(0) == 2
    assert not looking.complete
    assert looking.watch.batch.counts().waiting == 1
    looking.fail("b.png")
    looking.watch.learn(failure("b.png").key, failure("b.png"))
    looking.after(0)
    assert looking.complete


def test_a_batch_that_was_complete_is_looked_at_again_for_who_comes_later(looking: Looking) -> None:
    looking.store("a.png")
    looking.fail("a.png")
    while not looking.complete:
        looking.after(0)
    looking.watch.expire()
    assert looking.complete, "it was looked at a moment ago"
    looking.store("b.png")
    looking.clock.now += 2 * FASTEST_POLL_S
    looking.watch.expire()
    assert not looking.complete
    assert looking.after(0) == 2
    assert looking.watch.batch.counts().waiting == 1


def test_many_results_are_read_a_part_at_a_time_and_listed_once(looking: Looking, proxy: FaultProxy) -> None:
    names = [f"{n}.png" for n in range(READ_AT_ONCE + 10)]
    looking.fail(*names)
    assert looking.after(0) == 2
    assert looking.watch.batch.counts().failed == READ_AT_ONCE
    assert not looking.complete
    assert looking.after(0) == 0
    assert looking.watch.batch.counts().failed == len(names)
    assert proxy.calls["GetObject"] == len(names)


def test_a_bucket_that_fails_is_said_and_left_alone_for_a_while(looking: Looking, proxy: FaultProxy) -> None:
    looking.store("a.png")
    proxy.fault("ListObjectsV2", "403")
    with capture_logs() as logs:
        assert looking.after(0) == 1
    assert [(told["event"], told["batch"]) for told in logs] == [("batch_poll_failed", BATCH)]
    proxy.mend()
    assert looking.after(AFTER_ERROR_S - 1) == 0
    assert looking.after(1) == 2
    assert looking.watch.batch.counts().waiting == 1


def test_who_catches_up_knows_all_that_the_buckets_hold_however_much_and_whatever_is_due(looking: Looking) -> None:
    names = [f"{n}.png" for n in range(2 * READ_AT_ONCE + 1)]
    looking.store("a.png")
    looking.after(0)
    looking.fail(*names)
    looking.watch.catch_up()
    assert looking.watch.snapshot("").counts.to_json() == {
        "total": len(names) + 1,
        "waiting": 1,
        "done": 0,
        "failed": len(names),
        "cancelled": 0,
    }


def test_who_cannot_catch_up_is_told_and_the_next_one_can(looking: Looking, proxy: FaultProxy) -> None:
    looking.store("a.png")
    proxy.fault("ListObjectsV2", "403")
    with pytest.raises(ConfigurationError):
        looking.watch.catch_up()
    proxy.mend()
    looking.clock.now += 1
    looking.watch.catch_up()
    assert looking.watch.snapshot("").counts.total == 1


def test_those_who_catch_up_at_the_same_time_share_one_look(looking: Looking, proxy: FaultProxy) -> None:
    looking.store("a.png")
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(lambda _: looking.watch.catch_up(), range(200)))
    assert proxy.calls["ListObjectsV2"] == 2


def test_an_event_wakes_who_waits_for_its_image_and_nobody_else(looking: Looking) -> None:
    looking.clock.now = 0.0  # long before a poll is due
    for name in "abcdefgh":
        looking.watch.learn(failure(name).key, None)
    with ThreadPoolExecutor(8) as pool:
        waiting = {name: pool.submit(looking.watch.wait, failure(name).key, 600) for name in "abcdefgh"}
        wait_for(lambda: len(looking.watch._waiting) == 8)
        looking.watch.learn(failure("c").key, failure("c"))
        assert waiting.pop("c").result(20) == failure("c")
        for name, waiter in waiting.items():
            assert not looking.watch._waiting[failure(name).key][0].is_set()
            assert not waiter.done()
        looking.watch.wake()
        assert [waiter.result(20) for waiter in waiting.values()] == [None] * 7
    assert not looking.watch._waiting


def test_a_failure_that_was_taken_back_waits_again_and_what_was_done_to_the_batch_is_looked_at_at_once(
    looking: Looking,
) -> None:
    looking.store("a.png")
    looking.fail("a.png")
    while not looking.complete:
        looking.after(0)
    looking.storage.forget_failure(f"{BATCH}/a.png")
    looking.watch.look_again()
    assert not looking.complete
    assert looking.after(0) == 2
    assert looking.watch.batch.counts().waiting == 1
