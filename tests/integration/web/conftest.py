"""A web tier for each suite, and one with settings of its own for a test that needs it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.account.provision import provision
from app.local import EmbeddedCloud
from app.settings import Settings
from tests.support.fleet import Announcer, announcer, wait_for_listener
from tests.support.web import Site
from web.application import create_app
from web.tier import EXTENSION, Tier


@pytest.fixture(scope="session")
def site(cloud: EmbeddedCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One web tier for all tests that mind only their own batches. No worker takes its messages."""
    name = uuid.uuid4().hex[:8]
    folder = tmp_path_factory.mktemp("site")
    environment = {
        **os.environ,
        **cloud.environment,
        "ELASTIQ_INPUT_BUCKET": f"in-{name}",
        "ELASTIQ_OUTPUT_BUCKET": f"out-{name}",
        "ELASTIQ_QUEUE": f"tasks-{name}",
        "ELASTIQ_DATA_DIR": str(folder),
    }
    provision(Settings.from_environment(environment))
    site = Site(environment, folder / "web.log").start()
    yield site
    site.stop()


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start a web tier on this test's own buckets and queue, with more settings: ``serve(ELASTIQ_WEB_THREADS="8")``."""
    sites: list[Site] = []

    def start(**settings: str) -> Site:
        sites.append(Site({**environment, **settings}, tmp_path / f"web-{len(sites)}.log"))
        return sites[-1].start()

    yield start
    for site in sites:
        site.stop()


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
