"""The shapes are those of real answers: `Site` holds each to the document, and here is what tests rarely ask for."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from app.announcements import WorkerHeartbeat
from app.domain import Instance, InstanceState
from tests.support import conforming, photographs
from tests.support.fleet import Announcer, decision
from tests.support.waiting import wait_for
from tests.support.web import Site
from web.batches.options import FIELDS
from web.openapi import shapes

CAT = photographs.chelsea()


@pytest.mark.parametrize(
    "path", ["", "?after=none", "/cost", "/stored", "/results.csv", "/life/a.png", "/images/a.png"]
)
def test_each_answer_about_a_batch_is_as_described(site: Site, path: str) -> None:
    id = site.upload(("a.png", CAT), ("b.png", b"no image"))["id"]
    assert site.get(f"/api/batches/{id}{path}").status == 200


@pytest.mark.parametrize(
    "path", ["/", "/monitor", "/api", "/openapi.json", "/metrics", "/healthz", "/readyz", "/static/page.css"]
)
def test_each_other_answer_is_as_described(site: Site, path: str) -> None:
    assert site.get(path).status == 200


def test_the_fleet_is_as_described_once_it_is_heard(heard: Site, announce: Announcer) -> None:
    fleet = (Instance("i-0aaa", InstanceState.RUNNING, datetime.now(UTC)),)
    announce.say(decision(fleet=fleet, boot_s=40.0))
    announce.say(WorkerHeartbeat(0, 0), "i-0aaa@host")
    wait_for(lambda: heard.fleet()["instances"])


def test_each_event_of_a_stream_is_as_described(site: Site) -> None:
    id = site.upload(("a.png", CAT), ("b.png", b"no image"))["id"]
    stream = site.events(id)
    told = stream.until("current")
    site.classify(f"{id}/a.png")
    told += stream.until("done")
    assert {event["event"] for event in told} >= {
        "image-waiting",
        "image-classified",
        "image-failed",
        "current",
        "done",
    }
    described = conforming.api()["paths"]["/api/batches/{id}/events"]["get"]["responses"]["200"]
    shapes = described["content"]["text/event-stream"]["x-events"]
    for event in told:
        conforming.assert_valid(shapes[event["event"]], json.loads(event["data"]), event["event"])


def test_the_options_of_a_batch_are_those_that_are_taken() -> None:
    assert set(shapes.BatchOptions.__annotations__) == set(FIELDS)


def test_an_answer_that_differs_is_seen(site: Site) -> None:
    answer = site.get("/healthz")
    with pytest.raises(AssertionError, match="colour"):
        conforming.check("GET", "/healthz", 200, answer.headers, b'{"status": "ok", "colour": "red"}')
    with pytest.raises(AssertionError, match="not among"):
        conforming.check("GET", "/healthz", 202, answer.headers, b'{"status": "ok"}')
    with pytest.raises(AssertionError, match="no such path"):
        conforming.check("GET", "/elsewhere", 200, answer.headers, b"{}")
