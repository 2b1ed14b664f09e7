"""A batch's news as an event stream: what it begins with, what comes, and how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app.announcements import ImageClassified, ImageFailed
from app.domain import Classification, Failure, Prediction, new_batch_id
from app.settings import Settings
from app.storage import Storage
from tests.support import photographs
from tests.support.fleet import announcer
from tests.support.loops import Each
from tests.support.waiting import wait_for
from tests.support.web import Site
from web.batches.feed import Feed
from web.batches.stream import _images, events_of
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
    assert json.loads(done["data"]) == {"total": 3, "waiting": 0, "done": 2, "failed": 1, "cancelled": 0}
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


@pytest.fixture
def feed(config: Settings) -> Feed:
    """Of one batch, of whose image nothing is known."""
    storage = Storage(config)
    storage.put_image(f"{BATCH}/a.png", CAT, "image/png")
    return Feed(storage)


def test_a_stream_says_first_how_soon_to_come_back_and_now_and_then_that_it_lives(
    feed: Feed, each: Each[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.batches.stream.SIGN_OF_LIFE_S", 0.05)
    stream = each(events_of(feed, BATCH, ""))
    assert next(stream) == b"retry: 2000\n\n"
    texts = (text for text in stream if text != b": still here\n\n")
    assert b"event: image-waiting\n" in next(texts)
    assert next(texts).startswith(b"event: current\n")
    assert next(stream) == b": still here\n\n"


def test_while_nothing_comes_a_stream_says_what_the_images_wait_for_once_for_each_change(
    feed: Feed, each: Each[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.batches.stream.SIGN_OF_LIFE_S", 0.01)
    told = iter([{"says": "a"}, {"says": "a"}, {"says": "b"}, {"says": "b"}])
    stream = each(events_of(feed, BATCH, "", lambda: next(told)))
    waits = (text for text in stream if b"waits" in text)
    assert next(waits) == b'event: waits\ndata: {"says": "a"}\n\n'
    assert next(waits) == b'event: waits\ndata: {"says": "b"}\n\n'


def test_news_of_many_images_are_told_in_pieces_in_the_order_of_their_cursors(feed: Feed, each: Each[bytes]) -> None:
    stream = each(events_of(feed, BATCH, ""))
    while not next(stream).startswith(b"event: current\n"):
        pass
    feed.expect(f"{BATCH}/{n}.png" for n in range(250))
    pieces = [next(stream) for _ in range(3)]
    assert [piece.count(b"event: image-waiting\n") for piece in pieces] == [100, 100, 50]
    positions = [int(at) for at in re.findall(rb"^id: \w+-(\d+)$", b"".join(pieces), re.MULTILINE)]
    assert positions == list(range(2, 252))


def test_what_several_are_told_is_written_once_though_some_ask_for_more_before_others_were_told(
    feed: Feed, each: Each[bytes]
) -> None:
    streams = [each(events_of(feed, BATCH, "")) for _ in range(3)]
    for stream in streams:
        while not next(stream).startswith(b"event: current\n"):
            pass
    written = _images.cache_info().misses
    for name in "bc":
        feed.expect([f"{BATCH}/{name}.png"])
        assert len({next(stream) for stream in streams}) == 1
    with feed._watching(BATCH) as watch:
        assert watch.since(1) is not watch.since(2)
        assert watch.since(1) is watch.since(1)
    assert _images.cache_info().misses == written + 2


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
