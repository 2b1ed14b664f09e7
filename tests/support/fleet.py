"""What an autoscaler and its workers announce, sent as they send it: real Celery events over the embedded cloud."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app import aws
from app.settings import Settings
from tasks.celery import make_app
from tests.support.waiting import wait_for


def decision(**changes: Any) -> dict[str, Any]:
    """Return a ``scaling-decision``'s fields: three instances, one of them starting, and twelve images."""
    now = time.time()
    fleet = [
        {"id": "i-0aaa", "state": "running", "launched_at": now - 300, "heard_at": now - 1},
        {"id": "i-0bbb", "state": "draining", "launched_at": now - 200, "heard_at": now - 2},
        {"id": "i-0ccc", "state": "pending", "launched_at": now - 10, "heard_at": None},
    ]
    depth = {"visible": 9, "in_flight": 2, "delayed": 1}
    known = {"oldest_s": 12.5, "arrival_rate": 3.25, "service_rate": None, "boot_s": 28.0}
    decided = {"desired": 2, "launch": 0, "drain": [], "held": False, "reason": "12 images are due within 60 s"}
    limits = {"policy": "deadline", "ceiling": 19, "leader": "host-1:77"}
    return {**decided, **limits, "depth": depth, "fleet": fleet, **known, **changes}


class Announcer:
    """Sends events to a system's topic, under the names of whoever they are from."""

    def __init__(self, app: Any, connection: Any) -> None:
        self._app, self._connection = app, connection

    def say(self, kind: str, hostname: str = "autoscaler@test", **fields: Any) -> None:
        """Send one event; it is on its way when this returns."""
        with self._app.events.Dispatcher(self._connection, hostname=hostname) as dispatcher:
            dispatcher.send(kind, **fields)
        assert self._connection.transport.gateway.fanout.flush(10)


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
