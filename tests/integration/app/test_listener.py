"""Hearing events with a real listener over the embedded cloud: an odd one costs a line in the log, and no queue."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from app import aws
from app.announcements import ImageFailed, Said, ScalingDecided, Swept, WorkerHeartbeat
from app.listener import EventListener
from app.settings import Settings
from tasks.celery import make_app
from tests.support.fleet import Announcer, announcer, decision, listeners, wait_for_listener
from tests.support.waiting import wait_for

# What a handler of these tests fails on.
BAD = Swept(given_up=1)


@pytest.fixture
def heard(config: Settings) -> Iterator[list[Said]]:
    """What a listener has heard so far; its handler has a defect."""
    heard: list[Said] = []

    def hear(said: Said) -> None:
        heard.append(said)
        if said.what == BAD:
            raise RuntimeError("a defect")

    listener = EventListener(make_app(config), hear)
    listener.start()
    wait_for_listener(config)
    yield heard
    listener.stop()


@pytest.fixture
def announce(config: Settings) -> Iterator[Announcer]:
    with announcer(config) as announcer_:
        yield announcer_


def last(heard: list[Said], announce: Announcer) -> int:
    """Announce something, wait until it is heard, and return how much has been."""
    before = len(heard)
    announce.say(WorkerHeartbeat(3, 40))
    wait_for(lambda: any(said.what == WorkerHeartbeat(3, 40) for said in heard[before:]), 20)
    return len(heard)


def test_what_is_malformed_is_logged_and_the_next_is_heard_on_the_same_queue(
    config: Settings, heard: list[Said], announce: Announcer
) -> None:
    queues = listeners(config)
    with capture_logs() as logs:
        announce.send(ImageFailed.TYPE, key=5, filename="a.png", reason="cut short")
        announce.send(ScalingDecided.TYPE, **{**decision().to_event(), "desired": float("inf")})
        announce.publish(5)
        announce.publish([{"no": "type"}, "text", {"type": ["swept"], "timestamp": "noon", "utcoffset": {}}])
        announce.publish({"type": Swept.TYPE, "hostname": "x", "timestamp": 1.0, "clock": "late"})
        assert last(heard, announce) == 1
    assert [line["reason"] for line in logs if line["event"] == "event_malformed"] == [
        "key is no text of at most 1024 characters",
        "desired is no count",
        "the event is no object",
        "type is missing",
        "the event is no object",
        "type is no text of at most 1024 characters",
        "dead_letters is missing",
    ]
    assert not [line for line in logs if line["event"] == "events_lost"]
    assert listeners(config) == queues


@pytest.mark.parametrize("body", ["[" * 100_000, "{", '{"type": %s}' % ("9" * 5000), "\x00"])
def test_a_message_that_is_no_json_is_logged_briefly_and_the_next_is_heard(
    config: Settings, heard: list[Said], announce: Announcer, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    queues = listeners(config)
    with capture_logs() as logs:
        announce.publish(body, serializer=None, content_type="application/json", content_encoding="utf-8")
        assert last(heard, announce) == 1
    (line,) = [line for line in logs if line["event"] == "event_malformed"]
    assert line["reason"].startswith("its message cannot be decoded: ")
    assert "[" * 100 not in caplog.text + str(logs)
    assert listeners(config) == queues


def test_a_handler_that_fails_is_logged_and_hears_the_next_on_the_same_queue(
    config: Settings, heard: list[Said], announce: Announcer
) -> None:
    queues = listeners(config)
    with capture_logs() as logs:
        announce.say(BAD)
        assert last(heard, announce) == 2
    assert [(line["event"], line["type"]) for line in logs] == [("event_unhandled", Swept.TYPE)]
    assert listeners(config) == queues


def test_no_event_sets_this_process_s_logical_clock(config: Settings, announce: Announcer) -> None:
    app = make_app(config)
    heard: list[Said] = []
    listener = EventListener(app, heard.append)
    listener.start()
    wait_for_listener(config)
    announce.publish({"type": "task-sent", "hostname": "x", "timestamp": 1.0, "clock": float("inf")})
    last(heard, announce)
    listener.stop()
    assert app.clock.value < 1000


def test_a_message_that_breaks_the_connection_is_survived_with_the_same_queue(
    config: Settings, heard: list[Said], announce: Announcer
) -> None:
    queues = listeners(config)
    sns = aws.client("sns", config.aws)
    topic = sns.create_topic(Name=config.queue.topic)["TopicArn"]
    exchange = {"exchange": {"DataType": "String", "StringValue": "celeryev"}}
    for properties in ({"delivery_info": "odd"}, {"body_encoding": "odd"}):
        envelope = {"body": "{}", "properties": properties, "headers": {}, "content-type": "application/json"}
        sns.publish(TopicArn=topic, Message=json.dumps(envelope), MessageAttributes=exchange)
    last(heard, announce)
    assert listeners(config) == queues
