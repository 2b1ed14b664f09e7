"""What the transport's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.local import EmbeddedCloud
from tests.support.workers import Bench


@pytest.fixture
def bench(cloud: EmbeddedCloud, tmp_path: Path) -> Iterator[Bench]:
    """A queue of this test's own and its workers, which end with it."""
    bench = Bench(tmp_path, cloud.endpoint_url, f"q{uuid4().hex[:8]}")
    yield bench
    bench.end()
