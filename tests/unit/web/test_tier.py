"""The parts of one web process, and how they end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from app.errors import TransientError
from app.settings import Settings
from tests.support.waiting import wait_for
from web.application import create_app
from web.tier import EXTENSION, Tier, tier


def test_within_an_application_s_request_its_own_parts_are_found() -> None:
    apps = [create_app(Settings()) for _ in range(2)]
    found = []
    for app in apps:
        with app.test_request_context("/"):
            found.append(tier())
    assert found[0] is not found[1]
    assert found == [app.extensions[EXTENSION] for app in apps]


def test_an_application_that_has_closed_ends_who_waits_and_who_follows(tier: Tier) -> None:
    ended: list[str] = []

    def wait() -> None:
        with pytest.raises(TransientError, match="stopping"):
            tier.feed.wait_for("b/a.png", 600)
        ended.append("wait")

    def follow() -> None:
        asyncio.run(follow_all())
        ended.append("follow")

    async def follow_all() -> None:
        async for _ in tier.fleet.follow(pace_s=600, sign_of_life_s=600):
            followed.set()

    followed = threading.Event()
    threads = [threading.Thread(target=act) for act in (wait, follow)]
    # Nothing is asked of the buckets, which are not there: the batch's next poll is far away.
    with tier.feed._watching("b") as watch:
        watch._due = float("inf")
        for thread in threads:
            thread.start()
        assert followed.wait(20)
        wait_for(lambda: watch.listeners == 2)
        assert not ended
        tier.close()
        for thread in threads:
            thread.join(20)
    assert sorted(ended) == ["follow", "wait"]
