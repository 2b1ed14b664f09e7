"""News as it comes: event streams, their ends, and what they cost the buckets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

import pytest

from app.announcements import ImageClassified, ImageFailed
from app.domain import Classification, Failure, Prediction, new_batch_id
from app.settings import Settings
from app.storage import Storage
from tests.support import photographs
from tests.support.fault_proxy import FaultProxy
from tests.support.fleet import announcer
from tests.support.waiting import wait_for
from tests.support.web import Site
from web.batches.feed import Feed
from web.batches.watch import READ_AT_ONCE

CAT = photographs.chelsea()
BATCH = "20260101T000000000Z-0a0b0c0d"

Serve = Callable[..., Site]


def test_a_stream_begins_with_what_is_known_and_ends_when_all_is(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("b.png", CAT), ("c.jpg", b"text"))["id"]
    site.classify(f"{id}/a.png", "tabby")
    stream = site.events(id)
    assert stream.answer.headers["Content-Type"].startswith("text/event-stream")
    assert stream.answer.headers["Cache-Control"] == "no-store"
    known = stream.until("image-classified")
    assert json.loads(known[-1]["data"])["label"] == "tabby"
    site.classify(f"{id}/b.png", "lynx")
    *rest, done = stream.until("done")
    outcomes = [json.loads(e["data"]) for e in [*known, *rest] if e["event"] in ("image-classified", "image-failed")]
    assert {(o["filename"], o["state"]) for o in outcomes} == {
        ("a.png", "done"),
        ("b.png", "done"),
        ("c.jpg", "failed"),
    }
    assert json.loads(done["data"]) == {"total": 3, "waiting": 0, "done": 2, "failed": 1}
    assert stream.next() is None


def test_images_added_while_a_stream_is_open_appear_in_it_and_put_off_its_end(site: Site) -> None:
    id = site.upload(("a.png", CAT))["id"]
    stream = site.events(id)
    stream.until("image-waiting")
    site.upload(("b.png", CAT), path=f"/api/batches/{id}/images")
    assert json.loads(stream.until("image-waiting")[-1]["data"])["filename"] == "b.png"
    site.classify(f"{id}/a.png")
    stream.until("image-classified")
    site.classify(f"{id}/b.png")
    assert [event["event"] for event in stream.until("done")] == ["image-classified", "done"]


def test_a_stream_says_when_all_that_was_there_has_been_told(site: Site) -> None:
    # More results than are read at once.
    id = new_batch_id(datetime.now(UTC), b"late")
    keys = [f"{id}/{n}.png" for n in range(READ_AT_ONCE * 2)]
    for key in keys:
        site.storage.put_image(key, CAT, "image/png")
    for key in keys[1:]:
        site.classify(key)
    stream = site.events(id)
    told = stream.until("current")
    assert sum(event["event"] == "image-classified" for event in told) == len(keys) - 1
    assert json.loads(told[-1]["data"])["waiting"] == 1
    site.classify(keys[0])
    assert [event["event"] for event in stream.until("done")] == ["image-classified", "done"]


def test_who_joins_others_is_told_at_once_that_nothing_older_is_left(config: Settings) -> None:
    storage = Storage(config)
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    storage.put_image(f"{BATCH}/b.png", CAT, "image/png")
    storage.save(Failure.of(f"{BATCH}/a.png", "cut short"))
    feed = Feed(storage)
    for _ in range(2):
        assert [change.current for change in islice(feed.follow(BATCH, "", 15), 1)] == [True]


def test_a_client_that_comes_back_gets_only_what_it_has_not_seen(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("b.png", CAT), ("c.png", CAT))["id"]
    site.classify(f"{id}/a.png")
    stream = site.events(id)
    seen = stream.until("image-classified")[-1]["id"]
    stream.close()
    for name in ("b", "c"):
        site.classify(f"{id}/{name}.png")
    again = [event for event in site.events(id, after=seen).until("done") if "id" in event]
    assert sorted(json.loads(event["data"])["filename"] for event in again) == ["b.png", "c.png"]
    assert {event["event"] for event in again} == {"image-classified"}


def test_a_cursor_of_another_process_gets_everything(site: Site) -> None:
    id = site.upload(("a.png", CAT))["id"]
    site.classify(f"{id}/a.png")
    events = site.events(id, after="0badcafe-17").until("done")
    assert [event["event"] for event in events][-3:] == ["image-classified", "current", "done"]


def test_what_a_worker_says_is_passed_on_before_any_poll_could_know_it(serve: Serve) -> None:
    site = serve()
    wait_for(lambda: "Connected to" in site.log.read_text(), 20)
    id = site.upload(("a.png", CAT), ("b.png", CAT))["id"]
    stream = site.events(id)
    stream.until("image-waiting")
    # Nothing is in the output bucket: only the events can tell.
    with announcer(site.config) as announce:
        announce.send(ImageClassified.TYPE, key="of another program's")
        announce.say(ImageClassified(Classification.of(f"{id}/a.png", [Prediction("tabby", 0.9)], "m")))
        announce.say(ImageFailed(Failure.of(f"{id}/b.png", "cut short")))
    assert json.loads(stream.until("image-classified")[-1]["data"])["label"] == "tabby"
    assert json.loads(stream.until("image-failed")[-1]["data"])["reason"] == "cut short"
    stream.close()
    assert len(site.logged("event_malformed")) == 1


def test_streams_beyond_their_number_are_told_to_poll_and_take_nothing_from_uploads(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8")
    id = site.upload(("a.png", CAT))["id"]
    streams = [site.events(id) for _ in range(4)]
    for stream in streams:
        stream.until("image-waiting")
    refused = site.get(f"/api/batches/{id}/events")
    assert refused.status == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert "poll GET" in refused.json()["detail"]
    assert site.batch(id)["counts"]["waiting"] == 1
    assert site.upload(("b.png", CAT), path=f"/api/batches/{id}/images")["accepted"] == 1
    streams[0].close()
    # Its seat is free again once the server notices, at the latest with the next news.
    site.classify(f"{id}/a.png")
    site.classify(f"{id}/b.png")
    wait_for(lambda: site.get(f"/api/batches/{id}/events").status == 200, 30)


@pytest.fixture
def storage(config: Settings, proxy: FaultProxy) -> Storage:
    """A storage whose calls go through ``proxy``."""
    return Storage(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)))


def test_one_poll_serves_all_who_follow_a_batch(storage: Storage, proxy: FaultProxy) -> None:
    for n in range(30):
        storage.put_image(f"{BATCH}/{n}.png", CAT, "image/png")
    proxy.calls.clear()
    feed = Feed(storage)
    ended: list[int] = []

    def follow() -> None:
        seen = {image.key for change in feed.follow(BATCH, "", 15) for image in change.images if image.outcome}
        ended.append(len(seen))

    followers = [threading.Thread(target=follow) for _ in range(20)]
    for follower in followers:
        follower.start()
    for n in range(30):
        storage.save(Classification.of(f"{BATCH}/{n}.png", [Prediction("tabby", 0.9)], "m"))
    for follower in followers:
        follower.join(30)
    assert ended == [30] * 20
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


def test_a_batch_that_nobody_follows_is_not_polled(storage: Storage, proxy: FaultProxy) -> None:
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    proxy.calls.clear()
    feed = Feed(storage)
    assert next(feed.follow(BATCH, "", 15)).counts.waiting == 1
    proxy.calls.clear()
    time.sleep(1.5)
    assert not proxy.calls


def test_what_was_pushed_is_not_read_again(storage: Storage, proxy: FaultProxy) -> None:
    feed = Feed(storage)
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    follower = feed.follow(BATCH, "", 15)
    next(follower)
    outcome = Classification.of(f"{BATCH}/a.png", [Prediction("tabby", 0.9)], "m")
    storage.save(outcome)
    proxy.calls.clear()
    feed.publish(outcome)
    assert [image.outcome for image in next(follower).images] == [outcome]
    assert next(follower).complete
    assert proxy.calls["GetObject"] == 0


def test_while_events_bring_the_news_the_buckets_are_hardly_asked(storage: Storage, proxy: FaultProxy) -> None:
    feed = Feed(storage)
    for n in range(31):
        storage.put_image(f"{BATCH}/{n}.png", CAT, "image/png")
    follower = feed.follow(BATCH, "", 15)
    assert len(next(follower).images) == 31
    proxy.calls.clear()
    for n in range(30):
        feed.publish(Failure.of(f"{BATCH}/{n}.png", "cut short"))
        assert len(next(follower).images) == 1
        time.sleep(0.1)
    assert not proxy.calls
    # A result whose event was lost is found all the same.
    storage.save(Failure.of(f"{BATCH}/30.png", "cut short"))
    assert [image.key for image in next(follower).images] == [f"{BATCH}/30.png"]


def test_a_silent_batch_gives_a_sign_of_life(config: Settings) -> None:
    storage = Storage(config)
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    follower = Feed(storage).follow(BATCH, "", 0.2)
    assert next(follower).images
    sign = next(follower)
    assert not sign.images
    assert not sign.complete


def test_a_bucket_that_fails_for_a_while_ends_no_stream(
    storage: Storage, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.batches.watch.AFTER_ERROR_S", 0.1)
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    follower = Feed(storage).follow(BATCH, "", 0.3)
    assert next(follower).images
    proxy.fault("ListObjectsV2", "503")
    while not proxy.faulted["ListObjectsV2"]:
        assert not next(follower).images
    proxy.mend()
    storage.save(Failure.of(f"{BATCH}/a.png", "cut short"))
    assert any(change.images for change in follower)


def test_who_waits_for_one_image_is_woken_when_the_process_stops(config: Settings) -> None:
    from app.errors import TransientError

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
