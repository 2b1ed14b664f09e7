"""Publishing: an image is on its way once the queue has its message."""

from __future__ import annotations

import json
import math
from base64 import b64decode

import pytest
from structlog.testing import capture_logs

from app.errors import ConfigurationError, TransientError
from app.sqs import memory, wire
from app.sqs.errors import QueueMissing, Unavailable
from app.sqs.metrics import metrics
from tasks.celery import CLASSIFY
from web.tier import Tier
from web.uploads import publish
from web.uploads.publish import Publisher


@pytest.fixture
def publisher(tier: Tier) -> Publisher:
    return Publisher(tier.celery)


def queued(tier: Tier) -> list[tuple[str, list[str]]]:
    """Return the task and the arguments of each message."""
    found = []
    for body in memory.cloud.bodies(tier.settings.queue.name):
        message = json.loads(b64decode(body)) if not body.startswith("{") else json.loads(body)
        arguments, *_ = json.loads(b64decode(message["body"]))
        found.append((message["headers"]["task"], arguments))
    return sorted(found)


@pytest.mark.parametrize("count", [1, 2, 25])
def test_each_key_becomes_one_message(publisher: Publisher, tier: Tier, count: int) -> None:
    keys = [f"b/{n:02}.png" for n in range(count)]
    publisher.publish(keys)
    assert queued(tier) == [(CLASSIFY, [key]) for key in keys]


def test_the_log_has_each_key_with_its_task_s_id(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "LOGGED_AT_ONCE", 2)
    with capture_logs() as logged:
        publisher.publish(["b/1.png", "b/2.png", "b/3.png"])
    lines = [line["tasks"] for line in logged if line["event"] == "images_queued"]
    queue = publisher._celery.conf.task_default_queue
    sent = {wire.decode(body)["headers"]["id"] for body in memory.cloud.bodies(queue)}
    assert [sorted(line) for line in lines] == [["b/1.png", "b/2.png"], ["b/3.png"]]
    assert {id for line in lines for id in line.values()} == sent


def test_several_images_are_sent_ten_to_a_call(publisher: Publisher, tier: Tier) -> None:
    publisher.publish(["b/first.png"])
    before = calls_made()
    publisher.publish([f"b/{n}.png" for n in range(20)])
    assert calls_made() - before == 2
    assert len(queued(tier)) == 21


def calls_made() -> int:
    calls = metrics.snapshot()["api_calls"]
    assert isinstance(calls, dict)
    return calls["send_message_batch"]


@pytest.mark.parametrize("count", [1, 3])
def test_what_the_queue_does_not_accept_is_said_with_what_to_do(tier: Tier, count: int) -> None:
    tier.celery.conf.broker_transport_options["publish_timeout"] = 0.0
    publisher = Publisher(tier.celery)
    publisher.publish(["b/first.png"])
    memory.cloud.fail("send_message_batch", *[Unavailable("no answer")] * 50)
    with pytest.raises(TransientError, match=r"the images are stored, but not all are queued; send them again"):
        publisher.publish([f"b/{n}.png" for n in range(count)])


def test_a_queue_that_is_missing_is_no_reason_to_send_them_again(publisher: Publisher) -> None:
    publisher.publish(["b/first.png"])
    memory.cloud.fail("send_message_batch", *[QueueMissing("no such queue")] * 50)
    with pytest.raises(ConfigurationError, match="the images are stored, but cannot be queued"):
        publisher.publish(["b/a.png"])


def test_what_is_beyond_the_first_images_of_a_batch_waits_in_the_bulk_queue(tier: Tier) -> None:
    queue = tier.settings.queue
    publisher = Publisher(tier.celery, bulk=queue.bulk, first=3)
    publisher.publish(["a/1.png", "a/2.png"])
    publisher.publish(["a/3.png", "a/4.png", "a/5.png"])
    assert (memory.cloud.depth(queue.name)[0], memory.cloud.depth(queue.bulk)[0]) == (3, 2)
    publisher.publish(["b/1.png"], 0)
    publisher.publish([f"c/{n}.png" for n in range(5)], math.inf)
    assert (memory.cloud.depth(queue.name)[0], memory.cloud.depth(queue.bulk)[0]) == (8, 3)
    assert f"{queue.bulk}-dead" not in memory.cloud.queues, "dead letters of both are in one queue"


def test_without_a_bulk_queue_all_go_by_the_one_there_is(tier: Tier) -> None:
    Publisher(tier.celery, first=3).publish([f"a/{n}.png" for n in range(5)], 0)
    assert memory.cloud.depth(tier.settings.queue.name)[0] == 5
