"""Task queues by name: found once, made with a dead-letter queue, and only where they may be made."""

from __future__ import annotations

import json

import pytest

from app.aws.queues import dead_letter_queue
from app.sqs.api import Api
from app.sqs.errors import QueueMissing, Refused, Unavailable
from app.sqs.memory import MemoryCloud
from app.sqs.metrics import metrics
from app.sqs.queues import Queues, sqs_name
from tests.unit.app.sqs.conftest import options

GIVEN = {"orders": {"url": "memory://sqs/000000000000/theirs"}}


def called(action: str) -> int:
    calls = metrics.snapshot()["api_calls"]
    assert isinstance(calls, dict)
    return calls.get(action, 0)


def test_a_queue_that_is_missing_is_made_with_its_dead_letter_queue(cloud: MemoryCloud, api: Api) -> None:
    queues = Queues(api, options(queue_name_prefix="shop.", max_receive_count=3, visibility_timeout=40))
    assert queues.url("orders").endswith("/shop-orders")
    assert set(cloud.queues) == {"shop-orders", "shop-orders-dead"}
    made = cloud.queues["shop-orders"].attributes
    assert made["VisibilityTimeout"] == "40"
    redrive = json.loads(made["RedrivePolicy"])
    assert redrive["maxReceiveCount"] == 3
    assert redrive["deadLetterTargetArn"].endswith(":shop-orders-dead")


def test_a_queue_is_looked_up_once_until_it_is_forgotten(cloud: MemoryCloud, api: Api) -> None:
    queues = Queues(api, options())
    before = called("get_queue_url")
    assert queues.url("orders") == queues.url("orders")
    assert called("get_queue_url") == before + 1
    cloud.queues.clear()
    queues.forget("orders")
    queues.url("orders")
    assert "orders" in cloud.queues, "it is made anew"


def test_a_queue_of_somebody_elses_making_is_used_as_it_is(cloud: MemoryCloud, api: Api) -> None:
    api.sqs("create_queue", QueueName="orders", Attributes={"VisibilityTimeout": "7"})
    assert Queues(api, options()).url("orders").endswith("/orders")
    assert cloud.queues["orders"].attributes == {"VisibilityTimeout": "7"}
    assert dead_letter_queue("orders") not in cloud.queues


def test_where_queues_are_named_beforehand_none_is_looked_up_or_made(cloud: MemoryCloud, api: Api) -> None:
    queues = Queues(api, options(predefined_queues=GIVEN))
    looked_up = called("get_queue_url")
    queues.forget("orders")
    assert queues.url("orders") == GIVEN["orders"]["url"]
    with pytest.raises(Refused, match=r"queue 'others' is not in predefined_queues \(orders\)"):
        queues.url("others")
    assert called("get_queue_url") == looked_up
    assert cloud.queues == {}


def test_an_error_of_the_lookup_is_the_callers_and_makes_nothing(cloud: MemoryCloud, api: Api) -> None:
    queues = Queues(api, options())
    cloud.fail("get_queue_url", Unavailable("busy"), Refused("no right"))
    with pytest.raises(Unavailable):
        queues.url("orders")
    with pytest.raises(Refused, match="no right"):
        queues.url("orders")
    assert cloud.queues == {}


def test_it_knows_after_how_many_receives_a_message_is_a_dead_letter(api: Api, queue: str) -> None:
    queues = Queues(api, options(max_receive_count=3))
    assert queues.most_receives(queues.url("orders")) == 3
    assert queues.most_receives(queue) is None


@pytest.mark.parametrize("error", [Unavailable("busy"), Refused("no right"), QueueMissing("gone")])
def test_what_cannot_be_known_is_taken_for_a_dead_letter_queue_for_now(
    cloud: MemoryCloud, api: Api, queue: str, error: Exception
) -> None:
    queues = Queues(api, options())
    cloud.fail("get_queue_attributes", error)
    assert queues.most_receives(queue) == 5, "else its messages would be deleted"
    assert queues.most_receives(queue) is None, "it is asked again"


@pytest.mark.parametrize(
    ("name", "physical"),
    [
        ("elastiq-tasks", "elastiq-tasks"),
        ("celery@host.example", "celery_host-example"),
        ("orders.fifo", "orders.fifo"),
        ("a.b.fifo", "a-b.fifo"),
    ],
)
def test_a_queues_name_is_made_such_that_sqs_takes_it(name: str, physical: str) -> None:
    assert sqs_name(name) == physical


def test_long_names_stay_within_80_characters_and_stay_different() -> None:
    names = {sqs_name("q" * 90 + end) for end in ("a", "b", "a.fifo")}
    assert len(names) == 3
    assert max(map(len, names)) <= 80


def test_queues_that_are_made_may_share_a_dead_letter_queue(cloud: MemoryCloud, api: Api) -> None:
    queues = Queues(api, options(queue_name_prefix="shop.", dead_letter_queue="orders-dead"))
    queues.url("orders")
    queues.url("orders-bulk")
    queues.url("orders.fifo")
    assert set(cloud.queues) == {
        "shop-orders",
        "shop-orders-bulk",
        "shop-orders-dead",
        "shop-orders.fifo",
        "shop-orders-dead.fifo",
    }
