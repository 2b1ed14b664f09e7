"""The fleet as JSON and as a stream: a real web process that hears real events."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import yaml

from app import aws
from app.announcements import (
    Swept,
    WorkerHeartbeat,
)
from app.aws.queues import dead_letter_queue
from tests.support import photographs
from tests.support.compose import ROOT
from tests.support.fleet import Announcer, decision
from tests.support.waiting import wait_for
from tests.support.web import Events, Site

CAT = photographs.chelsea()

Serve = Callable[..., Site]


def test_without_an_autoscaler_the_fleet_says_so_and_tells_the_queue_all_the_same(serve: Serve) -> None:
    site = serve()
    site.upload(("a.png", CAT), ("b.png", CAT))
    found = site.fleet()
    assert found["autoscaler"] == {"heard": False, "heard_at": None, "says": "no autoscaler heard yet"}
    assert found["queue"] == {"visible": 2, "in_flight": 0, "delayed": 0}
    assert (found["dead_letters"], found["queue_problem"]) == (0, None)
    assert site.get("/api/fleet").headers["Cache-Control"] == "no-store"


def test_a_queue_that_cannot_be_read_is_said_and_no_error(serve: Serve) -> None:
    site = serve(ELASTIQ_QUEUE="no-such-queue")
    found = site.fleet()
    assert (found["queue"], found["dead_letters"]) == (None, None)
    assert "no-such-queue" in found["queue_problem"]


def test_what_the_autoscaler_and_the_workers_say_is_the_fleet(heard: Site, announce: Announcer) -> None:
    announce.say(WorkerHeartbeat(active=3, processed=40), "i-0aaa@ip-10-0-0-7")
    announce.say(decision())
    announce.say(decision(desired=4, launch=2, reason="<b>40</b> images are due"))
    announce.say(Swept(listeners=1, republished=5))
    wait_for(lambda: heard.fleet()["swept"], 20)
    found = heard.fleet()
    assert found["autoscaler"]["says"] == "the autoscaler is at work"
    assert found["decision"]["depth"] == {"visible": 9, "in_flight": 2, "delayed": 1}
    assert found["decision"]["service_rate"] is None
    assert [entry["reason"] for entry in found["decisions"]] == [
        "<b>40</b> images are due",
        "12 images are due within 60 s",
    ]
    assert [(one["id"], one["state"], one["active"]) for one in found["instances"]] == [
        ("i-0aaa", "running", 3),
        ("i-0bbb", "draining", None),
        ("i-0ccc", "pending", None),
    ]
    assert found["swept"]["republished"] == 5
    assert found["history"][-1]["desired"] == 4


def test_a_stream_of_the_fleet_begins_with_all_and_goes_on_with_news(heard: Site, announce: Announcer) -> None:
    announce.say(decision())
    wait_for(lambda: heard.fleet()["decision"], 20)
    with closing(Events(heard, "/api/fleet/events", "")) as stream:
        first = told(stream)
        assert first["whole"]
        assert len(first["decisions"]) == 1
        announce.say(decision(desired=7))
        news = wait_for(lambda: next((one for one in [told(stream)] if one["decisions"]), None), 20)
        assert not news["whole"]
        assert [entry["desired"] for entry in news["decisions"]] == [7]
        assert heard.stop() == 0, "an open stream holds up no stop"


def told(stream: Events) -> dict[str, Any]:
    event = stream.next()
    assert event is not None
    assert event["event"] == "fleet"
    return dict(json.loads(event["data"]))


def test_the_monitor_s_page_loads_nothing_from_elsewhere_and_has_nothing_inline(site: Site) -> None:
    answer = site.get("/monitor")
    page = answer.data.decode()
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "http://" not in page
    assert "https://" not in page
    assert "style=" not in page
    assert "onclick" not in page


def test_dead_letters_are_counted(serve: Serve) -> None:
    site = serve()
    sqs = aws.client("sqs", site.config.aws)
    url = sqs.get_queue_url(QueueName=dead_letter_queue(site.config.queue.name))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert site.fleet()["dead_letters"] == 1


def test_what_keda_follows_in_a_cluster_is_the_autoscaler_s_wish(heard: Site, announce: Announcer) -> None:
    objects = yaml.safe_load_all((ROOT / "docker" / "kubernetes" / "elastiq.yaml").read_text())
    (trigger,) = next(one["spec"]["triggers"] for one in objects if one["kind"] == "ScaledObject")
    announce.say(decision(desired=4))

    path = urlsplit(trigger["metadata"]["url"]).path
    wait_for(lambda: heard.get(path).json()["decision"], 20)

    found = heard.get(path).json()
    for part in trigger["metadata"]["valueLocation"].split("."):
        found = found[part]
    assert found == 4
