"""When events are published: at once where nobody works, and gathered where somebody does; on the fake that ships."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

import pytest

from app.sqs.api import Api
from app.sqs.fanout import EVENT_EXCHANGE, FULL, Fanout, Topic
from app.sqs.listeners import Listeners
from app.sqs.memory import MemoryCloud
from tests.support.waiting import wait_for
from tests.unit.app.sqs.conftest import options

# No test waits for it: what comes has come by itself.
INTERVAL_S = 60.0

Heard = Callable[[], list[list[int]]]


class Work:
    """Whether a message is held."""

    held = False


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def gathering(api: Api, topic: Topic, listeners: Listeners, work: Work) -> Iterator[Fanout]:
    fanout = Fanout(api, options(event_interval=INTERVAL_S), topic, listeners.subscribe_anew, lambda: work.held)
    yield fanout
    fanout.stop()


@pytest.fixture
def heard(cloud: MemoryCloud, listeners: Listeners) -> Heard:
    """The events that a listener has got, by message."""
    listener = listeners.use("ears")
    listener.subscribe(EVENT_EXCHANGE)
    name = listener.url().rsplit("/", 1)[-1]

    def read() -> list[list[int]]:
        bodies = [json.loads(json.loads(body)["body"]) for body in cloud.bodies(name)]
        return [body if isinstance(body, list) else [body] for body in bodies]

    return read


def event(number: int) -> dict[str, Any]:
    """Return one, with a routing key of its own."""
    return {"body": str(number), "properties": {"delivery_info": {"routing_key": f"kind-{number}"}}}


def test_where_nobody_works_an_event_goes_at_once(gathering: Fanout, heard: Heard) -> None:
    for number in range(3):
        gathering.publish(EVENT_EXCHANGE, event(number))
        wait_for(lambda wanted=number + 1: len(heard()) == wanted, 5)


def test_amid_work_events_of_every_kind_become_one_message_that_goes_with_the_last_of_it(
    gathering: Fanout, heard: Heard, work: Work
) -> None:
    work.held = True
    for number in range(3):
        gathering.publish(EVENT_EXCHANGE, event(number))
    gathering.settled()  # one is done, and others are not
    gathering.publish(EVENT_EXCHANGE, event(3))
    work.held = False
    gathering.settled()
    wait_for(heard, 5)
    assert heard() == [[0, 1, 2, 3]]


def test_what_somebody_waits_for_goes_at_once_after_a_pause_and_only_what_follows_is_gathered(
    gathering: Fanout, heard: Heard, work: Work
) -> None:
    work.held = True
    gathering.publish(EVENT_EXCHANGE, event(0))
    gathering.hasten()
    wait_for(heard, 5)
    for number in (1, 2):
        gathering.publish(EVENT_EXCHANGE, event(number))
        gathering.hasten()
    work.held = False
    gathering.settled()
    wait_for(lambda: len(heard()) > 1, 5)
    assert heard() == [[0], [1, 2]]


def test_what_a_dispatcher_has_kept_goes_with_the_round_and_makes_no_other(
    gathering: Fanout, heard: Heard, work: Work
) -> None:
    kept = iter([1, 2])

    def flush() -> None:
        for number in kept:
            gathering.publish(EVENT_EXCHANGE, event(number))

    gathering.before_publish = flush
    gathering.publish(EVENT_EXCHANGE, event(0))
    assert gathering.flush(5)
    assert heard() == [[0, 1, 2]]
    assert gathering.flush(0), "no round is due"


def test_a_round_that_is_full_waits_for_no_more(gathering: Fanout, heard: Heard, work: Work) -> None:
    work.held = True
    for number in range(FULL):
        assert not heard()
        gathering.publish(EVENT_EXCHANGE, event(number))
    wait_for(heard, 5)
    assert [len(message) for message in heard()] == [FULL]


def test_what_comes_while_a_round_is_published_waits_for_the_next(
    api: Api, topic: Topic, listeners: Listeners, heard: Heard, work: Work
) -> None:
    class Slow:
        """Calls as ``api`` does, and has somebody wait for an event while the first message is on its way."""

        def sns(self, action: str, **parameters: Any) -> dict[str, Any]:
            if not heard():
                fanout.publish(EVENT_EXCHANGE, event(1))
                fanout.gather()
                fanout.hasten()
            return api.sns(action, **parameters)

    work.held = True
    slow: Any = Slow()
    fanout = Fanout(slow, options(event_interval=INTERVAL_S), topic, listeners.subscribe_anew, lambda: work.held)
    fanout.publish(EVENT_EXCHANGE, event(0))
    fanout.hasten()
    wait_for(heard, 5)
    sleep(0.1)  # in which it would go alone
    fanout.publish(EVENT_EXCHANGE, event(2))
    assert fanout.flush(5)
    fanout.stop()
    assert heard() == [[0], [1, 2]]


def test_a_flush_does_not_wait_for_the_work(gathering: Fanout, heard: Heard, work: Work) -> None:
    work.held = True
    gathering.publish(EVENT_EXCHANGE, event(0))
    assert gathering.flush(5)
    assert heard() == [[0]]
