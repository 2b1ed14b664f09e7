"""What an autoscaler and its workers announce, sent as they send it: real Celery events over the embedded cloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kombu import Producer

from app import aws
from app.announcements import Announcement, ScalingDecided
from app.domain import Instance, InstanceState, QueueDepth
from app.settings import Settings
from tasks.celery import make_app
from tests.support.waiting import wait_for


def decision(**changes: Any) -> ScalingDecided:
    """Return a decision on three instances, one of them starting, and twelve images."""
    now = datetime.now(UTC)
    decided = ScalingDecided(
        desired=2,
        launch=0,
        drain=(),
        held=False,
        reason="12 images are due within 60 s",
        policy="deadline",
        ceiling=19,
        leader="host-1:77",
        depth=QueueDepth(visible=9, in_flight=2, delayed=1),
        fleet=(
            Instance("i-0aaa", InstanceState.RUNNING, now - timedelta(seconds=300), now - timedelta(seconds=1)),
            Instance("i-0bbb", InstanceState.DRAINING, now - timedelta(seconds=200), now - timedelta(seconds=2)),
            Instance("i-0ccc", InstanceState.PENDING, now - timedelta(seconds=10)),
        ),
        oldest_s=12.5,
        arrival_rate=3.25,
        boot_s=28.0,
    )
    return replace(decided, **changes)


class Announcer:
    """Sends events to a system's topic, under the names of whoever they are from."""

    def __init__(self, app: Any, connection: Any) -> None:
        self._app, self._connection = app, connection

    def say(self, what: Announcement, node: str = "autoscaler@test") -> None:
        """Announce something; it is on its way when this returns."""
        self.send(what.TYPE, node, **what.to_event())

    def say_all(self, announcements: Iterable[Announcement], node: str) -> None:
        """Announce some things; they are on their way when this returns."""
        with self._app.events.Dispatcher(self._connection, hostname=node) as dispatcher:
            for what in announcements:
                dispatcher.send(what.TYPE, **what.to_event())
        self._flush()

    def send(self, kind: str, node: str = "autoscaler@test", **fields: Any) -> None:
        """Send an event as Celery's dispatcher does, which may be none of ours."""
        with self._app.events.Dispatcher(self._connection, hostname=node) as dispatcher:
            dispatcher.send(kind, **fields)
        self._flush()

    def publish(self, body: object, **options: Any) -> None:
        """Publish what may be no event at all to those who hear events."""
        with self._connection.channel() as channel:
            producer = Producer(channel, serializer="json", auto_declare=False)
            producer.publish(body, exchange=self._app.conf.event_exchange, routing_key="odd", **options)
        self._flush()

    def _flush(self) -> None:
        assert self._connection.transport.gateway.fanout.flush(10)


def listeners(config: Settings) -> list[str]:
    """Return the addresses of the queues of those who hear what is announced to the system of ``config``."""
    sqs = aws.client("sqs", config.aws)
    return sorted(sqs.list_queues(QueueNamePrefix=config.queue.listener_prefix).get("QueueUrls", []))


def wait_for_listener(config: Settings) -> None:
    """Wait until somebody hears what is announced to the system of ``config``."""
    sns = aws.client("sns", config.aws)

    def heard() -> bool:
        found = sns.list_subscriptions()["Subscriptions"]
        return any(f":{config.queue.listener_prefix}" in subscription["Endpoint"] for subscription in found)

    wait_for(heard, 30)


@contextmanager
def announcer(config: Settings) -> Iterator[Announcer]:
    """Announce to the system that ``config`` describes."""
    app = make_app(config)
    with app.connection_for_write() as connection:
        yield Announcer(app, connection)
