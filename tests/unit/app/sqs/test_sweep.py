"""The sweep of listeners' queues: what nobody owns any more goes; whoever may live is left alone."""

from __future__ import annotations

from app.sqs.api import Api
from app.sqs.errors import Unavailable
from app.sqs.fanout import Topic
from app.sqs.listeners import Listeners
from app.sqs.memory import MemoryCloud
from app.sqs.owner import SEEN, TOUCH_S
from app.sqs.sweep import GONE_S, ListenerSweep
from tests.unit.app.sqs.conftest import Clocks


def test_what_cannot_be_deleted_is_touched_no_more_and_swept(
    cloud: MemoryCloud, api: Api, listeners: Listeners, clocks: Clocks, sweep: ListenerSweep, topic: Topic
) -> None:
    listeners.use("inbox").subscribe("commands")
    cloud.fail("delete_queue", Unavailable("busy"))
    listeners.leave("inbox")
    assert len(cloud.queues) == 1
    for _ in range(5):
        sweep.round(api, topic.arn)
        clocks.run(TOUCH_S + 1)
        listeners.touch_if_due()
    assert (cloud.queues, cloud.subscriptions) == ({}, {})


def test_a_machine_that_slept_for_hours_finds_its_listeners_alive(
    cloud: MemoryCloud, api: Api, listeners: Listeners, clocks: Clocks, sweep: ListenerSweep
) -> None:
    listeners.use("inbox").url()
    for _ in range(20):
        sweep.round(api, None)
        clocks.sleep(2 * GONE_S)
        assert sweep.round(api, None) == [], "it woke before its owner did"
        listeners.touch_if_due()
        clocks.run(60)
    assert len(cloud.queues) == 1


def test_an_owner_whose_clock_is_wrong_is_alive_as_long_as_it_says_anything_new(
    cloud: MemoryCloud, api: Api, sweep: ListenerSweep, clocks: Clocks
) -> None:
    url = api.sqs("create_queue", QueueName="celery-on-x", tags={"elastiq:owner": "far-away////1"})["QueueUrl"]
    for seen in range(10):
        api.sqs("tag_queue", QueueUrl=url, Tags={SEEN: str(seen)})  # 1970
        assert sweep.round(api, None) == []
        clocks.run(GONE_S - 1)


def test_an_owner_elsewhere_that_says_nothing_new_for_long_is_gone(
    cloud: MemoryCloud, api: Api, sweep: ListenerSweep, clocks: Clocks
) -> None:
    tags = {"elastiq:owner": "far-away////1", SEEN: str(int(clocks.wall))}
    api.sqs("create_queue", QueueName="celery-on-x", tags=tags)
    sweep.round(api, None)
    clocks.run(GONE_S - 1)
    assert sweep.round(api, None) == []
    clocks.run(2)
    assert sweep.round(api, None) == ["celery-on-x"]


def test_a_queue_of_the_prefix_that_is_no_listeners_is_left_alone(
    cloud: MemoryCloud, api: Api, sweep: ListenerSweep, clocks: Clocks
) -> None:
    api.sqs("create_queue", QueueName="celery-on-work")
    sweep.round(api, None)
    clocks.run(10 * GONE_S)
    assert sweep.round(api, None) == []
