"""News as it comes, and what it costs the buckets, however many follow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from app.domain import Classification, Failure, Prediction
from app.errors import TransientError
from app.settings import Settings
from app.storage import Storage
from tests.support import photographs
from tests.support.fault_proxy import FaultProxy
from tests.support.loops import Each
from tests.support.waiting import wait_for
from tests.support.web import Site
from web.batches.feed import Feed
from web.batches.watch import Change

CAT = photographs.chelsea()
BATCH, OTHER = "20260101T000000000Z-0a0b0c0d", "20260101T000000000Z-0a0b0c0e"

Serve = Callable[..., Site]


@pytest.fixture
def storage(config: Settings, proxy: FaultProxy) -> Storage:
    """A storage whose calls go through ``proxy``."""
    return Storage(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)))


def test_one_poll_serves_all_who_follow_a_batch(storage: Storage, proxy: FaultProxy) -> None:
    for n in range(30):
        storage.put_image(f"{BATCH}/{n}.png", CAT, "image/png")
    proxy.calls.clear()
    feed = Feed(storage)

    async def follow() -> int:
        return len([image async for change in feed.follow(BATCH, "", 15) for image in change.images if image.outcome])

    async def all_follow() -> list[int]:
        return await asyncio.gather(*(follow() for _ in range(20)))

    with ThreadPoolExecutor(1) as pool:
        followed = pool.submit(asyncio.run, all_follow())
        wait_for(lambda: proxy.calls["ListObjectsV2"])
        for n in range(30):
            storage.save(Classification.of(f"{BATCH}/{n}.png", [Prediction("tabby", 0.9)], "m"))
        assert followed.result(30) == [30] * 20
    assert proxy.calls["GetObject"] == 30
    assert proxy.calls["ListObjectsV2"] < 40


def test_those_who_read_a_batch_at_the_same_time_share_the_listing(storage: Storage, proxy: FaultProxy) -> None:
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    feed = Feed(storage)
    proxy.calls.clear()
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda _: feed.snapshot(BATCH).counts.total, range(200)))
    assert found == [1] * 200
    assert proxy.calls["ListObjectsV2"] < 100  # and not 400


def test_a_silent_batch_gives_a_sign_of_life(each: Each[Change], config: Settings) -> None:
    storage = Storage(config)
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    follower = each(Feed(storage).follow(BATCH, "", 0.2))
    assert next(follower).images
    sign = next(follower)
    assert not sign.images
    assert not sign.complete


def test_a_bucket_that_fails_for_a_while_ends_no_stream(
    each: Each[Change], storage: Storage, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.batches.watch.AFTER_ERROR_S", 0.1)
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    follower = each(Feed(storage).follow(BATCH, "", 0.3))
    assert next(follower).images
    proxy.fault("ListObjectsV2", "503")
    while not proxy.faulted["ListObjectsV2"]:
        assert not next(follower).images
    proxy.mend()
    storage.save(Failure.of(f"{BATCH}/a.png", "cut short"))
    assert any(change.images for change in follower)


def test_who_waits_for_one_image_is_woken_when_the_process_stops(config: Settings) -> None:
    feed = Feed(Storage(config))
    raised: list[Exception] = []

    def wait() -> None:
        try:
            feed.wait_for(f"{BATCH}/a.png", 60)
        except TransientError as err:
            raised.append(err)

    waiter = threading.Thread(target=wait)
    waiter.start()
    feed.close()
    waiter.join(10)
    assert len(raised) == 1


def test_what_is_pushed_reaches_who_follows_at_once_and_ends_the_batch(each: Each[Change], config: Settings) -> None:
    storage = Storage(config)
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    feed = Feed(storage)
    follower = each(feed.follow(BATCH, "", 15))
    next(follower)
    # It is in no bucket: nothing but this can tell.
    outcome = Classification.of(f"{BATCH}/a.png", [Prediction("tabby", 0.9)], "m")
    feed.publish(outcome)
    assert [image.outcome for image in next(follower).images] == [outcome]
    assert next(follower).complete


def test_a_batch_that_nobody_follows_any_more_is_not_polled(each: Each[Change], config: Settings) -> None:
    storage = Storage(config)
    for batch in (BATCH, OTHER):
        storage.put_image(f"{batch}/a.png", CAT, "image/png")
    listed = listings(storage)
    feed = Feed(storage)
    assert next(each(feed.follow(BATCH, "", 15))).counts.waiting == 1
    before = listed.count(BATCH)
    assert before
    # While another batch is polled several times.
    follower = each(feed.follow(OTHER, "", 0.1))
    while listed.count(OTHER) < 5:
        assert next(follower).counts.waiting == 1
    assert listed.count(BATCH) == before


def listings(storage: Storage) -> list[str]:
    """Return a list that grows by the batch of each listing."""
    listed: list[str] = []
    for bucket in (storage._input, storage._output):
        bucket._s3.meta.events.register(
            "provide-client-params.s3.ListObjectsV2", lambda params, **_: listed.append(params["Prefix"].rstrip("/"))
        )
    return listed


def test_who_joins_others_is_told_at_once_that_nothing_older_is_left(each: Each[Change], config: Settings) -> None:
    storage = Storage(config)
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    storage.put_image(f"{BATCH}/b.png", CAT, "image/png")
    storage.save(Failure.of(f"{BATCH}/a.png", "cut short"))
    feed = Feed(storage)
    first = each(feed.follow(BATCH, "", 15))
    while not next(first).current:
        pass
    assert next(each(feed.follow(BATCH, "", 15))).current


def test_who_waits_for_an_image_that_was_just_published_asks_no_bucket_before_its_event(
    storage: Storage, proxy: FaultProxy
) -> None:
    feed = Feed(storage, lambda: 1000.0)  # no poll comes to be due
    outcome = Classification.of(f"{BATCH}/a.png", [Prediction("tabby", 0.9)], "m")
    with ThreadPoolExecutor() as pool:
        for _ in range(2):  # the second, once nothing in the batch waits any more
            waiting = pool.submit(feed.wait_for, outcome.key, 30)
            while not waiting.done():
                feed.publish(outcome)
            assert waiting.result() == outcome
            outcome = replace(outcome, key=f"{BATCH}/b.png")
    assert proxy.calls["ListObjectsV2"] == 0
