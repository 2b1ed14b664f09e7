"""The queues of a process's own: subscribed however they came to be made, never deaf for good, never left behind."""

from __future__ import annotations

import threading

import pytest

from app.sqs.api import Api
from app.sqs.errors import QueueMissing, Refused, Unavailable
from app.sqs.fanout import Fanout, Topic
from app.sqs.listeners import Listeners
from app.sqs.memory import MemoryCloud
from app.sqs.owner import SEEN, TOUCH_S
from tests.unit.app.sqs.conftest import Clocks, options

EVENT = {"body": "[]", "headers": {}, "properties": {"delivery_info": {}}}


def heard(cloud: MemoryCloud) -> int:
    """Return how many messages listeners have."""
    return sum(len(queue.messages) for queue in cloud.queues.values())


def tell(fanout: Fanout) -> None:
    fanout.publish("commands", EVENT)


def test_a_listener_hears_what_it_subscribed_to(cloud: MemoryCloud, listeners: Listeners, fanout: Fanout) -> None:
    listeners.use("inbox").subscribe("commands")
    tell(fanout)
    assert heard(cloud) == 1


def test_one_that_was_deleted_is_made_anew_and_hears_again(
    cloud: MemoryCloud, api: Api, listeners: Listeners, fanout: Fanout
) -> None:
    listener = listeners.use("inbox")
    listener.subscribe("commands")
    first = listener.url()
    api.sqs("delete_queue", QueueUrl=first)
    listener.lost()  # as a poll notices
    assert listener.url() != first
    tell(fanout)
    assert heard(cloud) == 1
    assert len(cloud.subscriptions) == 1, "the old one's subscription goes with it"


def test_a_subscription_that_fails_while_it_is_made_anew_is_made_at_the_next_use(
    cloud: MemoryCloud, listeners: Listeners, fanout: Fanout
) -> None:
    listener = listeners.use("inbox")
    listener.subscribe("commands")
    cloud.queues.clear()
    listener.lost()
    cloud.fail("subscribe", Unavailable("busy"))
    with pytest.raises(Unavailable):
        listener.url()
    listener.url()
    tell(fanout)
    assert heard(cloud) == 1


def test_a_touch_that_finds_it_gone_has_it_made_anew(
    cloud: MemoryCloud, listeners: Listeners, fanout: Fanout, clocks: Clocks
) -> None:
    listener = listeners.use("inbox")
    listener.subscribe("commands")
    cloud.queues.clear()
    clocks.run(TOUCH_S + 1)
    listeners.touch_if_due()
    listener.url()
    tell(fanout)
    assert heard(cloud) == 1


def test_after_a_suspend_it_is_touched_at_once(api: Api, listeners: Listeners, clocks: Clocks) -> None:
    url = listeners.use("inbox").url()
    before = api.sqs("list_queue_tags", QueueUrl=url)["Tags"][SEEN]
    clocks.sleep(30 * 60)
    listeners.touch_if_due()
    assert api.sqs("list_queue_tags", QueueUrl=url)["Tags"][SEEN] != before


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_right_does_not_stop_the_touching(
    api: Api, listeners: Listeners, clocks: Clocks, step_s: float
) -> None:
    url = listeners.use("inbox").url()
    clocks.wall += step_s
    for _ in range(2):
        listeners.touch_if_due()
        before = api.sqs("list_queue_tags", QueueUrl=url)["Tags"][SEEN]
        clocks.run(TOUCH_S + 1)
        listeners.touch_if_due()
        assert api.sqs("list_queue_tags", QueueUrl=url)["Tags"][SEEN] != before


def test_a_subscription_that_is_denied_leaves_no_queue_behind(cloud: MemoryCloud, listeners: Listeners) -> None:
    for attempt in range(20):  # as often as a listener that is not let in would try in some minutes
        cloud.fail("subscribe", Refused("no right"))
        with pytest.raises(Refused):
            listeners.use(f"celeryev.{attempt}").subscribe("celeryev")
    assert cloud.queues == {}


def test_it_goes_with_the_last_who_uses_it(cloud: MemoryCloud, listeners: Listeners) -> None:
    listener = listeners.use("inbox")
    assert listeners.use("inbox") is listener
    listener.subscribe("commands")
    listeners.leave("inbox")
    assert len(cloud.queues) == 1
    listeners.leave("inbox")
    assert (cloud.queues, cloud.subscriptions) == ({}, {})
    with pytest.raises(QueueMissing):
        listener.url()


def test_a_topic_that_was_deleted_is_made_anew_and_its_listeners_hear_again(
    cloud: MemoryCloud, api: Api, listeners: Listeners, fanout: Fanout, topic: Topic
) -> None:
    listeners.use("inbox").subscribe("commands")
    cloud.topics.clear()
    cloud.subscriptions.clear()
    tell(fanout)
    tell(fanout)
    assert heard(cloud) >= 1


def test_another_process_that_made_the_topic_anew_is_heard_from_the_next_touch_on(
    cloud: MemoryCloud, api: Api, listeners: Listeners, fanout: Fanout, clocks: Clocks
) -> None:
    listeners.use("inbox").subscribe("commands")
    cloud.subscriptions.clear()
    clocks.run(TOUCH_S + 1)
    listeners.touch_if_due()
    tell(fanout)
    assert heard(cloud) == 1


def test_a_topic_that_was_given_is_not_made_anew(cloud: MemoryCloud, api: Api) -> None:
    given = Topic(api, options(topic_arn="arn:aws:sns:us-east-1:000000000000:theirs"))
    with pytest.raises(QueueMissing):
        Fanout(api, options(), given, lambda: None, lambda: False).publish("commands", EVENT)
    assert cloud.topics == set()


def test_the_reply_queue_of_a_thread_that_ended_goes(cloud: MemoryCloud, listeners: Listeners) -> None:
    def ask(name: str) -> None:
        listeners.use(name).url()
        listeners.leave(name)

    ask("main.reply.celery.pidbox")
    for number in range(5):
        thread = threading.Thread(target=ask, args=(f"{number}.reply.celery.pidbox",))
        thread.start()
        thread.join()
    assert len(cloud.queues) == 6
    listeners.reap()
    assert list(cloud.queues) == ["celery-on-main-reply-celery-pidbox"]


def test_a_reply_queue_stays_as_long_as_its_process(cloud: MemoryCloud, listeners: Listeners) -> None:
    listeners.use("1.reply.celery.pidbox").url()
    listeners.leave("1.reply.celery.pidbox")
    assert listeners.reply_url("1.reply.celery.pidbox") is not None
    listeners.close()
    assert cloud.queues == {}


def test_the_reply_queues_of_other_processes_are_found_and_remembered_within_bounds(
    cloud: MemoryCloud, api: Api, listeners: Listeners
) -> None:
    assert listeners.reply_url("other.reply.celery.pidbox") is None
    api.sqs("create_queue", QueueName="celery-on-other-reply-celery-pidbox")
    assert listeners.reply_url("other.reply.celery.pidbox") is not None
