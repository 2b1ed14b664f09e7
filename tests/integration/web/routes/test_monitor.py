"""The fleet as JSON and as a stream, and the metrics: a real web process that hears real events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import aws
from app.announcements import (
    Announcement,
    ImageClassified,
    ImageFailed,
    ScalingDecided,
    Swept,
    WorkerHeartbeat,
    WorkerLeaving,
)
from app.aws.queues import dead_letter_queue
from app.domain import Classification, Failure, Prediction
from tests.support import photographs
from tests.support.fleet import Announcer, announcer, decision, listeners, wait_for_listener
from tests.support.waiting import wait_for
from tests.support.web import Events, Site
from web.routes.metrics import family

CAT = photographs.chelsea()

Serve = Callable[..., Site]


@pytest.fixture
def heard(serve: Serve) -> Site:
    """A web tier that hears events."""
    site = serve()
    wait_for_listener(site.config)
    return site


@pytest.fixture
def announce(heard: Site) -> Iterator[Announcer]:
    with announcer(heard.config) as announcer_:
        yield announcer_


def fleet(site: Site) -> dict[str, Any]:
    answer = site.get("/api/fleet")
    assert answer.status == 200
    return dict(answer.json())


def metrics(site: Site) -> dict[str, float]:
    """Return the samples by name and labels, as Prometheus's own parser reads them."""
    answer = site.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.data.decode())


def samples(text: str) -> dict[str, float]:
    found = [sample for family_ in text_string_to_metric_families(text) for sample in family_.samples]
    names = ["".join([sample.name, *(f" {name}={value}" for name, value in sample.labels.items())]) for sample in found]
    assert len(names) == len(set(names))
    return dict(zip(names, (sample.value for sample in found), strict=True))


def test_without_an_autoscaler_the_fleet_says_so_and_tells_the_queue_all_the_same(serve: Serve) -> None:
    site = serve()
    site.upload(("a.png", CAT), ("b.png", CAT))
    found = fleet(site)
    assert found["autoscaler"] == {"heard": False, "heard_at": None, "says": "no autoscaler heard yet"}
    assert found["queue"] == {"visible": 2, "in_flight": 0, "delayed": 0}
    assert (found["dead_letters"], found["queue_problem"]) == (0, None)
    assert site.get("/api/fleet").headers["Cache-Control"] == "no-store"


def test_a_queue_that_cannot_be_read_is_said_and_no_error(serve: Serve) -> None:
    site = serve(ELASTIQ_QUEUE="no-such-queue")
    found = fleet(site)
    assert (found["queue"], found["dead_letters"]) == (None, None)
    assert "no-such-queue" in found["queue_problem"]
    told = metrics(site)
    assert told["elastiq_queue_readable"] == 0
    assert not [name for name in told if name.startswith(("elastiq_queue_messages", "elastiq_dead_letters"))]


def test_what_the_autoscaler_and_the_workers_say_is_the_fleet(heard: Site, announce: Announcer) -> None:
    announce.say(WorkerHeartbeat(active=3, processed=40), "i-0aaa@ip-10-0-0-7")
    announce.say(decision())
    announce.say(decision(desired=4, launch=2, reason="<b>40</b> images are due"))
    announce.say(Swept(listeners=1, republished=5))
    wait_for(lambda: fleet(heard)["swept"], 20)
    found = fleet(heard)
    assert found["autoscaler"]["says"] == "decided by host-1:77"
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


def test_what_is_no_event_of_ours_is_logged_and_changes_nothing(heard: Site, announce: Announcer) -> None:
    announce.send(ScalingDecided.TYPE, desired=1)
    announce.send(Swept.TYPE, dead_letters="lots")
    announce.say(decision())
    wait_for(lambda: fleet(heard)["decision"], 20)
    wait_for(lambda: len(heard.logged("event_malformed")) == 2, 20)
    assert {line["type"] for line in heard.logged("event_malformed")} == {ScalingDecided.TYPE, Swept.TYPE}
    assert len(fleet(heard)["decisions"]) == 1
    assert fleet(heard)["swept"] is None


@pytest.mark.parametrize("what", [ImageClassified, ImageFailed, ScalingDecided, Swept, WorkerLeaving, WorkerHeartbeat])
def test_no_malformed_event_costs_the_web_tier_its_listener(
    heard: Site, announce: Announcer, what: type[Announcement]
) -> None:
    queues = listeners(heard.config)
    announce.send(what.TYPE, key=5, desired=float("inf"), dead_letters=None, why={}, active="all", processed=-1)
    announce.publish([5, None, {"type": what.TYPE, "timestamp": "noon", "utcoffset": 1, "clock": "late"}])
    announce.say(decision())
    wait_for(lambda: fleet(heard)["decision"], 20)
    assert {line["type"] for line in heard.logged("event_malformed")} == {what.TYPE, None}
    assert heard.logged("events_lost") == []
    assert listeners(heard.config) == queues


def test_a_score_that_is_no_number_reaches_no_page(heard: Site, announce: Announcer) -> None:
    id = heard.upload(("a.png", CAT))["id"]
    with closing(heard.events(id)) as stream:
        stream.until("image-waiting")
        announce.say(ImageClassified(Classification.of(f"{id}/a.png", [Prediction("tabby", float("nan"))], "m")))
        announce.say(ImageClassified(Classification.of(f"{id}/a.png", [Prediction("lynx", 0.9)], "m")))
        (told,) = stream.until(ImageClassified.TYPE)
    assert json.loads(told["data"], parse_constant=pytest.fail)["label"] == "lynx"


def test_a_stream_of_the_fleet_begins_with_all_and_goes_on_with_news(heard: Site, announce: Announcer) -> None:
    announce.say(decision())
    wait_for(lambda: fleet(heard)["decision"], 20)
    with closing(Events(heard, "/api/fleet/events", "")) as stream:
        first = told(stream)
        assert first["whole"]
        assert len(first["decisions"]) == 1
        assert metrics(heard)["elastiq_event_streams_open"] == 1
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


def test_metrics_count_what_the_process_did_and_tell_what_it_knows(heard: Site, announce: Announcer) -> None:
    id = heard.upload(("a.png", CAT), ("b.png", CAT), ("text.jpg", b"no photograph"))["id"]
    answer = heard.post("/", fields={"myfile": ("empty.jpg", b"")})
    assert answer.status == 422
    announce.say(ImageClassified(Classification.of(f"{id}/a.png", [Prediction("tabby", 0.9)], "m")))
    announce.say(ImageFailed(Failure.of(f"{id}/b.png", "cut short")))
    announce.say(decision())
    wait_for(lambda: fleet(heard)["decision"], 20)
    told = metrics(heard)
    assert told["elastiq_images_accepted_total"] == 2
    assert told["elastiq_images_rejected_total"] == 2
    assert told["elastiq_images_classified_total"] == told["elastiq_images_failed_total"] == 1
    assert told["elastiq_sqs_sent_total"] == 2
    assert told["elastiq_sqs_received_total"] > 0
    assert told["elastiq_sqs_leases_lost_total"] == 0
    assert told["elastiq_sqs_in_flight"] >= 0
    assert "elastiq_sqs_in_flight_total" not in told
    assert told["elastiq_sqs_api_calls_total action=send_message_batch"] == 1
    assert told["elastiq_queue_messages state=visible"] == 2
    assert told["elastiq_instances state=running"] == told["elastiq_instances state=draining"] == 1
    assert told["elastiq_instances_desired"] == 2
    assert told["elastiq_autoscaler_heard"] == 1
    assert told["elastiq_oldest_image_seconds"] == 12.5
    assert told["elastiq_dead_letters"] == 0


def test_dead_letters_are_counted(serve: Serve) -> None:
    site = serve()
    sqs = aws.client("sqs", site.config.aws)
    url = sqs.get_queue_url(QueueName=dead_letter_queue(site.config.queue.name))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert fleet(site)["dead_letters"] == 1
    assert metrics(site)["elastiq_dead_letters"] == 1


def test_labels_and_help_are_escaped() -> None:
    awkward = 'a "quoted" \\ and\na new line'
    text = family("odd_total", "counter", awkward, [({"name": awkward}, 1.5)])
    (parsed,) = text_string_to_metric_families(text)
    assert parsed.documentation == awkward
    assert [(sample.labels, sample.value) for sample in parsed.samples] == [({"name": awkward}, 1.5)]


def test_the_monitor_s_page_loads_nothing_from_elsewhere_and_has_nothing_inline(site: Site) -> None:
    answer = site.get("/monitor")
    page = answer.data.decode()
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "http://" not in page
    assert "https://" not in page
    assert "style=" not in page
    assert "onclick" not in page
