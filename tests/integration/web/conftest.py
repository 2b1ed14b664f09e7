"""What the tests of the web tier share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.settings import Settings
from tests.support.fleet import Announcer, announcer, wait_for_listener
from tests.support.loops import Each, turning
from tests.support.web import Site
from web.application import create_app
from web.tier import EXTENSION, Tier


@pytest.fixture
def heard(serve: Callable[..., Site]) -> Site:
    """A web tier on this test's own buckets and queue that hears events."""
    site = serve()
    wait_for_listener(site.config)
    return site


@pytest.fixture
def announce(heard: Site) -> Iterator[Announcer]:
    """Announces to ``heard``."""
    with announcer(heard.config) as announcer_:
        yield announcer_


@pytest.fixture
def app(config: Settings) -> Flask:
    """The application in this process, on this test's own buckets and queue; it hears no events."""
    return create_app(config)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Makes requests of ``app``."""
    return app.test_client()


@pytest.fixture
def tier(app: Flask) -> Tier:
    """The parts of ``app``."""
    return cast(Tier, app.extensions[EXTENSION])


@pytest.fixture
def each() -> Iterator[Each[Any]]:
    """Iterates over what an asynchronous generator yields."""
    with turning() as each_:
        yield each_
