"""Events and remote control over SNS, with real workers and Celery's own tools."""

from __future__ import annotations

import json
import signal
import time
from typing import Any
from uuid import uuid4

import pytest
from kombu import Connection

from app.announcements import WorkerOnline
from app.local import EmbeddedCloud
from app.sqs.fanout import MESSAGE_BYTES, merged
from tests.support.fault_proxy import FaultProxy
from tests.support.listening import listening
from tests.support.waiting import wait_for
from tests.support.workers import Bench

EVENT_INTERVAL_S, HEARD_WITHIN_S = 4.0, 60.0
EVENT_BYTES = 1000


def kinds(events: list[dict[str, Any]]) -> set[str]:
    return {event["type"] for event in list(events)}


def test_every_listener_hears_every_event(bench: Bench) -> None:
    app = bench.app()
    with listening(app) as one, listening(app) as two:
        bench.ready_worker("-P", "threads", "-c", "4", "-E")
        bench.send(app, "work", 50)
        for events in (one, two):
            wait_for(lambda events=events: sum(e["type"] == "task-succeeded" for e in list(events)) == 50, 20)
            assert {WorkerOnline.TYPE, "task-received", "task-started"} <= kinds(events)


def test_a_busy_workers_events_are_gathered_into_few_calls(bench: Bench, cloud: EmbeddedCloud) -> None:
    app = bench.app()
    with FaultProxy(cloud.endpoint_url) as proxy, listening(app) as events:
        options = {"endpoint_url": proxy.endpoint_url, "event_interval": EVENT_INTERVAL_S}
        bench.ready_worker("-P", "threads", "-c", "4", "-E", options=options)
        proxy.calls.clear()
        bench.send(app, "noop", 1000)
        wait_for(lambda: sum(e["type"] == "task-succeeded" for e in list(events)) == 1000, HEARD_WITHIN_S)
    # In each round one message of all events, three a task; more for what is too large.
    rounds = HEARD_WITHIN_S / EVENT_INTERVAL_S + 1
    assert proxy.calls["Publish"] <= rounds + 3000 * EVENT_BYTES / MESSAGE_BYTES, proxy.calls


def test_inspect_answers_and_control_reaches_the_worker(bench: Bench) -> None:
    app = bench.app()
    process = bench.ready_worker()
    node = f"w0-{bench.name}@"
    inspect = bench.inspect()
    pong = inspect.ping()
    assert [name.startswith(node) for name in pong] == [True]
    stats = next(iter(inspect.stats().values()))
    assert stats["pool"]["max-concurrency"] == 8
    app.send_task("work", (1, 3.0))
    wait_for(lambda: bench.lines(what="begin"), 10)
    active = next(iter(inspect.active().values()))
    assert [task["name"] for task in active] == ["work"]
    counters = next(iter(inspect._request("sqs").values()))
    assert counters["received"] >= 1
    assert 1 <= counters["in_flight"] <= 5, "the task, and maybe commands that are being acknowledged"
    assert counters["api_calls"]["receive_message"] >= 1
    app.control.shutdown()
    assert process.wait(30) == 0
    assert bench.done() == {1: 1}


def test_a_revoked_task_does_not_run(bench: Bench) -> None:
    app = bench.app()
    bench.ready_worker("-P", "threads", "-c", "1")
    running = app.send_task("work", (1, 2.0))
    wait_for(lambda: bench.lines(what="begin"), 10)
    revoked = app.send_task("work", (2,))
    app.control.revoke(revoked.id)
    app.send_task("work", (3,))
    wait_for(lambda: bench.done()[3] == 1, 20)
    assert running.id != revoked.id
    assert set(bench.done()) == {1, 3}


def test_listener_queues_name_their_owner_and_go_with_it(bench: Bench) -> None:
    options = {"listener_prefix": f"{bench.name}-on-"}
    process = bench.ready_worker(options=options)
    own = [name for name in bench.queues(bench.name) if "pidbox" in name]
    assert len(own) == 1
    tags = bench.sqs.list_queue_tags(QueueUrl=bench.url(own[0]))["Tags"]
    assert f"/{process.pid}/" in tags["elastiq:owner"]
    assert int(tags["elastiq:seen"]) > time.time() - 60
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert [name for name in bench.queues(bench.name) if "pidbox" in name] == []


def test_without_the_right_to_listen_a_worker_works_and_hears_no_remote_control(bench: Bench) -> None:
    app = bench.app()
    bench.ready_worker(options={"listen": False})
    bench.send(app, "work", 5)
    wait_for(lambda: len(bench.done()) == 5, 20)
    assert app.control.inspect(timeout=1).ping() is None


@pytest.mark.parametrize("count", [1, 2, 500])
def test_events_of_one_kind_become_lists_that_lose_none(count: int) -> None:
    bodies = [json.dumps([{"n": 2 * n}, {"n": 2 * n + 1}]) for n in range(count)]
    envelopes = [{"body": body, "properties": {"delivery_info": {}, "delivery_tag": "1"}} for body in bodies]
    messages = merged(envelopes)
    assert [event["n"] for message in messages for event in read(message)] == list(range(2 * count))
    assert len(messages) == 1


def read(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a message as kombu reads it, whatever it was packed with."""
    with Connection("memory://") as connection:
        channel = connection.channel()
        like = {"content-type": "application/json", "content-encoding": "utf-8", **message}
        found = channel.Message(like, channel=channel, accept={"application/json"}).decode()
    assert isinstance(found, list)
    return found


def test_a_long_list_of_events_takes_a_third_of_its_length_at_most() -> None:
    event = {"type": "task-succeeded", "hostname": "worker-1@host", "result": "{'key': 'batch/photograph.jpg'}"}
    bodies = [json.dumps([{**event, "uuid": str(uuid4())}]) for _ in range(200)]
    (message,) = merged(
        [{"body": body, "properties": {"delivery_info": {}, "delivery_tag": "1"}, "headers": {}} for body in bodies]
    )
    assert len(json.dumps(message)) < sum(map(len, bodies)) / 3
    assert len(read(message)) == 200


def test_events_that_are_too_large_for_one_message_become_several() -> None:
    envelopes = [{"body": '{"n":"%s"}' % ("x" * 60_000), "properties": {"delivery_info": {}}} for _ in range(5)]
    assert len(merged(envelopes)) == 3
