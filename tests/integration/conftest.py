"""What several packages' tests share: a queue with its workers, a web tier, a proxy, a registry."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.account.provision import provision
from app.local import EmbeddedCloud
from app.local.registry import Registry
from app.settings import Settings
from tests.support.autoscaler import end_instances
from tests.support.fault_proxy import FaultProxy
from tests.support.web import Site, serving
from tests.support.workers import Bench


@pytest.fixture
def bench(cloud: EmbeddedCloud, tmp_path: Path) -> Iterator[Bench]:
    """A queue of this test's own and its workers, which end with it."""
    bench = Bench(tmp_path, cloud.endpoint_url, f"q{uuid.uuid4().hex[:8]}")
    yield bench
    bench.end()


@pytest.fixture
def proxy(cloud: EmbeddedCloud) -> Iterator[FaultProxy]:
    """A proxy before the embedded cloud that counts calls by action, and breaks those it is told to."""
    with FaultProxy(cloud.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def registry(config: Settings) -> Iterator[Registry]:
    """The registry of this test's own processes; its instances end with the test."""
    registry = Registry(Path(config.local.data_dir) / "run")
    yield registry
    end_instances(registry)


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
    with serving(environment, tmp_path) as start:
        yield start
