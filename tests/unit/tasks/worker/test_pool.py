"""A worker's threads while their number changes: nothing that runs is lost, and none begins twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tasks.celery import app
from tasks.worker.pool import ThreadPool
from tests.support.waiting import wait_for


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(limit=1, app=app)
    pool.start()
    yield pool
    pool.stop()


def test_a_pool_that_has_grown_runs_more_at_once(pool: ThreadPool) -> None:
    together = threading.Barrier(3)
    pool.grow(2)
    waiting = [pool.executor.submit(together.wait, 30) for _ in range(3)]

    assert sorted(one.result(30) for one in waiting) == [0, 1, 2]
    assert pool.num_processes == 3


def test_what_runs_when_a_pool_shrinks_or_is_restarted_ends_and_a_stop_waits_for_it() -> None:
    pool = ThreadPool(limit=2, app=app)
    pool.start()
    go, ended = threading.Event(), []

    def work() -> None:
        go.wait(30)
        ended.append(threading.current_thread().name)

    for change in (pool.shrink, pool.restart):
        pool.executor.submit(work)
        change()
    stopping = threading.Thread(target=pool.stop)
    stopping.start()
    assert stopping.is_alive()
    go.set()
    wait_for(lambda: not stopping.is_alive(), 30)
    assert len(ended) == 2
    assert pool.num_processes == 1


def test_one_thread_stays(pool: ThreadPool) -> None:
    with pytest.raises(ValueError, match="one thread at least"):
        pool.shrink(1)
    assert pool.num_processes == 1
