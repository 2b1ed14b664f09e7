"""Events, heard from the real topic by a real web process: what they change, and what no odd one can."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from app.account.provision import provision
from app.announcements import (
    Announcement,
    ImageClassified,
    ImageFailed,
    ScalingDecided,
    Swept,
    WorkerHeartbeat,
    WorkerLeaving,
)
from app.domain import Classification, Failure, Prediction
from app.settings import Settings
from tests.support import photographs
from tests.support.fleet import Announcer, announcer, decision, listeners, wait_for_listener
from tests.support.waiting import wait_for
from tests.support.web import Site
from web.events import Listener
from web.tier import Tier

CAT = photographs.chelsea()
Serve = Callable[..., Site]


def test_what_is_no_event_of_ours_is_logged_and_changes_nothing(heard: Site, announce: Announcer) -> None:
    announce.send(ScalingDecided.TYPE, desired=1)
    announce.send(Swept.TYPE, dead_letters="lots")
    announce.say(decision())
    wait_for(lambda: heard.fleet()["decision"], 20)
    wait_for(lambda: len(heard.logged("event_malformed")) == 2, 20)
    assert {line["type"] for line in heard.logged("event_malformed")} == {ScalingDecided.TYPE, Swept.TYPE}
    assert len(heard.fleet()["decisions"]) == 1
    assert heard.fleet()["swept"] is None


@pytest.mark.parametrize("what", [ImageClassified, ImageFailed, ScalingDecided, Swept, WorkerLeaving, WorkerHeartbeat])
def test_no_malformed_event_costs_the_web_tier_its_listener(
    heard: Site, announce: Announcer, what: type[Announcement]
) -> None:
    queues = listeners(heard.config)
    announce.send(what.TYPE, key=5, desired=float("inf"), dead_letters=None, why={}, active="all", processed=-1)
    announce.publish([5, None, {"type": what.TYPE, "timestamp": "noon", "utcoffset": 1, "clock": "late"}])
    announce.say(decision())
    wait_for(lambda: heard.fleet()["decision"], 20)
    assert {line["type"] for line in heard.logged("event_malformed")} == {what.TYPE, None}
    assert heard.logged("events_lost") == []
    assert listeners(heard.config) == queues


def test_a_score_that_is_no_number_reaches_no_page(heard: Site, announce: Announcer) -> None:
    id = heard.upload(("a.png", CAT))["id"]
    with closing(heard.events(id)) as stream:
        stream.until("current")
        announce.say(ImageClassified(Classification.of(f"{id}/a.png", [Prediction("tabby", float("nan"))], "m")))
        announce.say(ImageClassified(Classification.of(f"{id}/a.png", [Prediction("lynx", 0.9)], "m")))
        (told,) = stream.until(ImageClassified.TYPE)
    assert json.loads(told["data"], parse_constant=pytest.fail)["label"] == "lynx"


def test_a_listener_hears_the_topic_of_its_settings_and_no_other(config: Settings, tier: Tier) -> None:
    other = replace(config, queue=replace(config.queue, name=f"{config.queue.name}-other"))
    provision(other)
    listener = Listener(tier)
    listener.start()
    try:
        wait_for_listener(config)
        with announcer(other) as elsewhere, announcer(config) as here:
            elsewhere.say(ImageFailed(Failure.of("b/a.png", "broken")))
            here.say(ImageClassified(Classification.of("b/b.png", [Prediction("tabby", 0.9)], "m")))
        wait_for(lambda: tier.counts.snapshot().get("images_classified"), 20)
        assert tier.counts.snapshot().get("images_failed") is None
    finally:
        listener.stop()
