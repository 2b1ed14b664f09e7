"""An account in which nothing is made yet."""

from __future__ import annotations

import os
import uuid

import pytest

from app.local import EmbeddedCloud


@pytest.fixture
def unmade(cloud: EmbeddedCloud) -> dict[str, str]:
    """The environment of names that nothing has yet."""
    name = uuid.uuid4().hex[:8]
    return {
        **os.environ,
        **cloud.environment,
        "ELASTIQ_INPUT_BUCKET": f"in-{name}",
        "ELASTIQ_OUTPUT_BUCKET": f"out-{name}",
        "ELASTIQ_QUEUE": f"tasks-{name}",
    }
