"""What the suites share: an embedded cloud, a set of buckets and queues of a test's own, and real photographs."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from app.account.provision import provision
from app.local import EmbeddedCloud
from app.local.cloud import CREDENTIALS
from app.settings import Settings

# What a shell starts in the background ignores interrupts, and so would all programs that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.update(CREDENTIALS)
os.environ.pop("AWS_PROFILE", None)
# No test asserts how fast the wall clock runs.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    """One embedded cloud for the whole run, on a free port of loopback."""
    cloud = EmbeddedCloud(tmp_path_factory.mktemp("cloud"))
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture
def environment(cloud: EmbeddedCloud, tmp_path: Path) -> dict[str, str]:
    """The environment of a subprocess that uses buckets and queues of this test's own; they are made."""
    name = uuid.uuid4().hex[:8]
    environment = {
        **os.environ,
        **cloud.environment,
        "ELASTIQ_INPUT_BUCKET": f"in-{name}",
        "ELASTIQ_OUTPUT_BUCKET": f"out-{name}",
        "ELASTIQ_QUEUE": f"tasks-{name}",
        "ELASTIQ_DATA_DIR": str(tmp_path / "data"),
        "ELASTIQ_MODEL_DIR": str(models()),
    }
    provision(Settings.from_environment(environment))
    return environment


@pytest.fixture
def config(environment: dict[str, str]) -> Settings:
    """The settings that ``environment`` makes."""
    return Settings.from_environment(environment)


def models() -> Path:
    """Return the folder of built models that the tests share, so that a model is built once."""
    return Path(os.environ.get("ELASTIQ_MODEL_DIR") or Path(__file__).parents[1] / ".elastiq" / "models")
