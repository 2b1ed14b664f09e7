"""When a decision is announced, by the time of the observations, and what of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from app.announcements import Said, ScalingDecided, Swept
from app.domain import STAY_COMMAND, Instance, InstanceState, QueueDepth
from app.settings import QueueSettings, Settings
from app.sqs import memory
from autoscaler.announce import Announcer, announcement
from autoscaler.values import Limits, Observation, ScalingDecision
from tasks.celery import make_app
from tests.support.listening import announced
from tests.support.waiting import wait_for

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LAST = Swept(republished=7)


def seen(after_s: float = 0, state: InstanceState = InstanceState.RUNNING) -> Observation:
    at = NOW + timedelta(seconds=after_s)
    fleet = (Instance("i-1", state, NOW),)
    return Observation(at=at, depth=QueueDepth(1, 0), counted_at=at, fleet=fleet, listed_at=at)


def decided(reason: str = "1 image is due", **changes: Any) -> ScalingDecision:
    return ScalingDecision(**{"desired": 1, "reason": reason, **changes})


class Told:
    """An announcer whose topic is in memory, and what those who listen hear."""

    def __init__(self, app: Any, heard: list[Said]) -> None:
        self.app, self.announcer, self._heard = app, Announcer(app, "host-1:77"), heard

    def look(self, observation: Observation, decision: ScalingDecision) -> None:
        self.announcer.decided(observation, decision, Limits(19))

    def decisions(self) -> list[ScalingDecided]:
        """Return all that was announced, once the last of it has been heard."""
        self.announcer.swept(LAST, NOW)
        wait_for(lambda: any(said.what == LAST for said in self._heard))
        return [said.what for said in self._heard if isinstance(said.what, ScalingDecided)]


@pytest.fixture
def told() -> Iterator[Told]:
    memory.cloud.clear()
    app = make_app(Settings(queue=QueueSettings(name=uuid4().hex)))
    app.conf.update(broker_transport="app.sqs.memory:Transport")
    with announced(app) as heard:
        told = Told(app, heard)
        yield told
        told.announcer.stop()
    with app.connection_for_write() as connection:
        gateway = connection.transport.gateway
    gateway.close()
    memory.cloud.clear()


def test_a_decision_that_stays_as_it_was_is_announced_again_after_ten_seconds(told: Told) -> None:
    for after_s in (0, 2, 4, 9.9, 10, 12, 19.9, 20):
        told.look(seen(after_s), decided(f"after {after_s} s"))
    assert [one.reason for one in told.decisions()] == ["after 0 s", "after 10 s", "after 20 s"]


@pytest.mark.parametrize(
    "change",
    [{"desired": 2}, {"launch": 1}, {"drain": ("i-1",)}, {"held": True}],
    ids=lambda change: next(iter(change)),
)
def test_another_decision_is_announced_at_once(told: Told, change: dict[str, Any]) -> None:
    told.look(seen(0), decided())
    told.look(seen(0.2), decided(**change))
    told.look(seen(0.4), decided(**change))
    assert len(told.decisions()) == 2


def test_a_fleet_in_another_state_is_announced_at_once(told: Told) -> None:
    told.look(seen(0, InstanceState.PENDING), decided())
    told.look(seen(0.2, InstanceState.RUNNING), decided())
    assert [one.fleet[0].state for one in told.decisions()] == [InstanceState.PENDING, InstanceState.RUNNING]


def test_an_announcement_has_all_that_the_decision_was_made_of(told: Told) -> None:
    told.look(seen(), decided(launch=3, desired=4))
    (one,) = told.decisions()
    assert one == announcement(seen(), decided(launch=3, desired=4), Limits(19), "host-1:77")
    assert (one.desired, one.launch, one.ceiling, one.depth, one.leader) == (4, 3, 19, QueueDepth(1, 0), "host-1:77")


def test_a_reason_of_any_length_can_be_announced() -> None:
    refusal = "you are not authorised to do this: " + "x" * 100_000
    said = announcement(seen(), decided(refusal, held=True), Limits(19), "host-1:77")
    assert ScalingDecided.of(said.to_event()) == said
    assert said.reason.startswith("you are not authorised")


def test_what_cannot_be_announced_is_said_once_and_raises_nothing() -> None:
    # Nobody listens at this port.
    app = make_app(Settings())
    app.conf.update(broker_url="amqp://127.0.0.1:9//", broker_transport="amqp", broker_connection_timeout=1)
    announcer = Announcer(app, "host-1:77")
    with capture_logs() as logs:
        for after_s in (0, 20, 40):
            announcer.decided(seen(after_s), decided(), Limits(19))
    assert [(line["event"], line["now"]) for line in logs] == [("announcing_failed", "scaling goes on")]


def test_workers_are_asked_to_stay_when_one_is_new_and_every_twenty_seconds(told: Told) -> None:
    heard: list[float] = []
    with told.app.connection_for_read() as connection:
        handlers = {STAY_COMMAND: lambda state, seconds: heard.append(seconds)}
        told.app.control.mailbox.Node("i-1@host", handlers=handlers, channel=connection.channel()).listen()
        one, two = ["i-1@host"], ["i-1@host", "i-2@host"]
        for after_s, nodes in ((0, one), (10, one), (20, one), (22, two), (24, one), (26, [])):
            told.announcer.ask_to_stay(nodes, NOW + timedelta(seconds=after_s))
        with suppress(TimeoutError):
            while True:
                connection.drain_events(timeout=2)
    assert heard == [120.0] * 3
