"""What the tests of the transport, the workers and the autoscaler share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.local import EmbeddedCloud
from app.local.registry import Registry
from app.settings import Settings
from tests.support.autoscaler import end_instances
from tests.support.fault_proxy import FaultProxy
from tests.support.workers import Bench


@pytest.fixture
def bench(cloud: EmbeddedCloud, tmp_path: Path) -> Iterator[Bench]:
    """A queue of this test's own and its workers, which end with it."""
    bench = Bench(tmp_path, cloud.endpoint_url, f"q{uuid4().hex[:8]}")
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
