"""What the fault tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.local import EmbeddedCloud
from tests.support.fault_proxy import FaultProxy
from tests.support.web import Site, serving
from tests.support.workers import Bench


@pytest.fixture(scope="module")
def module_bench(cloud: EmbeddedCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A queue that a module's tests share, with the worker that each of them disturbs."""
    bench = Bench(tmp_path_factory.mktemp("faults"), cloud.endpoint_url, f"q{uuid4().hex[:8]}")
    yield bench
    bench.end()


@pytest.fixture
def bench(cloud: EmbeddedCloud, tmp_path: Path) -> Iterator[Bench]:
    """A queue of this test's own and its workers, which end with it."""
    bench = Bench(tmp_path, cloud.endpoint_url, f"q{uuid4().hex[:8]}")
    yield bench
    bench.end()


@pytest.fixture(scope="module")
def proxy(cloud: EmbeddedCloud) -> Iterator[FaultProxy]:
    """A proxy that a module's worker and publisher reach the cloud through."""
    with FaultProxy(cloud.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start a web tier on this test's own buckets and queue, with more settings."""
    with serving(environment, tmp_path) as start:
        yield start
