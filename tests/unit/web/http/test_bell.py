"""A bell that threads ring for those who wait on an event loop."""

from __future__ import annotations

import asyncio
import threading

from tests.support.loops import run
from web.http.bell import Bell


def test_a_thread_wakes_all_who_wait_once_what_they_wait_for_is_true() -> None:
    bell, waiting = Bell(), threading.Barrier(2)
    found: list[int] = []

    async def wait() -> None:
        await bell.wait_for(lambda: len(found) > 1, 60)

    def ring() -> None:
        waiting.wait(10)
        for number in range(2):
            found.append(number)
            bell.ring()

    async def main() -> None:
        tasks = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting.wait(10)
        await asyncio.gather(*tasks)

    ringer = threading.Thread(target=ring)
    ringer.start()
    run(main())
    ringer.join(10)
    assert found == [0, 1]


def test_what_was_true_before_is_not_waited_for() -> None:
    run(Bell().wait_for(lambda: True, 60))


def test_who_is_not_rung_for_waits_no_longer_than_told() -> None:
    bell = Bell()
    run(bell.wait(0.01))
    run(Bell().wait_for(lambda: False, 0.01))


def test_rung_often_before_anybody_can_look_it_wakes_them_once() -> None:
    bell, looks = Bell(), []

    async def main() -> None:
        waiter = asyncio.create_task(bell.wait_for(lambda: looks.append(1) or len(looks) > 1, 60))
        await asyncio.sleep(0)
        for _ in range(5):
            bell.ring()
        await waiter

    run(main())
    assert len(looks) == 2


def test_rung_when_the_loop_has_ended_nobody_is_woken_and_nothing_breaks() -> None:
    bell = Bell()
    run(bell.wait(0))
    bell.ring()
    bell.ring()
