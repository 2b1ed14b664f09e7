"""When events are published: at once where nobody works, and gathered where somebody does; on the fake that ships."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

import pytest

from app.sqs.api import Api
from app.sqs.fanout import EVENT_EXCHANGE, PATIENCE, SHARE, Fanout, Pace, Topic
from app.sqs.listeners import Listeners
from app.sqs.memory import MemoryCloud
from tests.support.waiting import wait_for
from tests.unit.app.sqs.conftest import options

# No test waits for it: what comes has come by itself.
INTERVAL_S = 60.0

Heard = Callable[[], list[list[int]]]


class Work:
    """Whether a message is held, and whether more are about to come."""

    held = coming = False


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def gathering(api: Api, topic: Topic, listeners: Listeners, work: Work) -> Iterator[Fanout]:
    fanout = Fanout(
        api,
        options(event_interval=INTERVAL_S),
        topic,
        listeners.subscribe_anew,
        lambda: work.held,
        lambda: work.coming,
    )
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


def test_events_wait_for_those_of_messages_that_are_about_to_come(gathering: Fanout, heard: Heard, work: Work) -> None:
    work.held = work.coming = True
    gathering.publish(EVENT_EXCHANGE, event(0))
    work.held = False
    gathering.settled()
    gathering.publish(EVENT_EXCHANGE, event(1))
    work.coming = False
    gathering.settled()
    wait_for(heard, 5)
    assert heard() == [[0, 1]]


def test_the_longer_events_have_come_the_longer_they_are_gathered_within_bounds() -> None:
    pace = Pace(1.0)
    most = PATIENCE / SHARE
    assert [pace.gap_s(100 + t) for t in range(60)] == [
        max(1.0, min(PATIENCE, SHARE * t)) if t < most else PATIENCE for t in range(60)
    ]


def test_after_a_pause_events_are_gathered_as_at_first() -> None:
    pace = Pace(1.0)
    for t in range(60):
        pace.gap_s(t)
    assert pace.gap_s(59 + 2 * PATIENCE) == PATIENCE, "that was no pause"
    assert pace.gap_s(60 + 4 * PATIENCE) == 1.0


def test_what_somebody_waits_for_amid_long_work_of_others_is_not_gathered_for_as_long_as_that(
    api: Api, topic: Topic, listeners: Listeners, heard: Heard, work: Work
) -> None:
    work.held, now = True, [0.0]
    fanout = Fanout(
        api, options(event_interval=1.0), topic, listeners.subscribe_anew, lambda: work.held, clock=lambda: now[0]
    )
    for number in range(40):
        now[0] = float(number)
        fanout.publish(EVENT_EXCHANGE, event(number))
        assert fanout.flush(5)
    now[0] += 1.0
    fanout.publish(EVENT_EXCHANGE, event(40))
    fanout.hasten()
    now[0] += 0.1
    wait_for(lambda: [40] in heard(), 5)
    fanout.stop()


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
