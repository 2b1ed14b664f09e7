"""A web tier's parts in this process, whose queue and topic are in memory; nothing of AWS is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
from celery import Celery

from app.settings import QueueSettings, Settings
from app.sqs import memory
from tests.support.loops import Each, turning
from web.application import create_app
from web.tier import EXTENSION, Tier


@pytest.fixture
def tier() -> Iterator[Tier]:
    """The parts of an application; its queue is there and empty."""
    memory.cloud.clear()
    # A queue and a topic of this test's own, and so a gateway of its own.
    made = cast(Tier, create_app(Settings(queue=QueueSettings(name=uuid4().hex))).extensions[EXTENSION])
    made.celery.conf.update(broker_transport="app.sqs.memory:Transport")
    yield made
    made.close()
    _close(made.celery)
    memory.cloud.clear()


@pytest.fixture
def each() -> Iterator[Each[Any]]:
    """Iterates over what an asynchronous generator yields."""
    with turning() as each_:
        yield each_


def _close(celery: Celery) -> None:
    with celery.connection_for_write() as connection:
        gateway = connection.transport.gateway
    celery.close()
    gateway.close()
