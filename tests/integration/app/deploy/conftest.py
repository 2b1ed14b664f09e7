"""A whole account of one's own, and small bundles, so that a deployment takes seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.deploy.bundle import TIERS
from app.local import EmbeddedCloud
from app.settings import Settings
from tests.support.account import ACCOUNT_SERVICES, Account
from tests.support.bundles import build, models


@pytest.fixture(scope="session")
def bundles_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where bundles are kept, so that they are made once in a run."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="session")
def bundles(bundles_folder: Path) -> None:
    """Make both, or skip what needs them where there is no registry to have them from."""
    for tier in TIERS.values():
        build(tier, bundles_folder)


@pytest.fixture
def account(tmp_path: Path, bundles_folder: Path) -> Iterator[Account]:
    """An account with nothing in it, and what wheels, models and bundles there are already."""
    cloud = EmbeddedCloud(tmp_path / "cloud", services=ACCOUNT_SERVICES)
    cloud.start()
    data = tmp_path / "data"
    data.mkdir()
    (data / "wheels").symlink_to(models().parent / "wheels")
    (data / "bundles").symlink_to(bundles_folder)
    environment = {
        **os.environ,
        **cloud.environment,
        "AWS_REGION": "eu-central-1",
        "ELASTIQ_DATA_DIR": str(data),
        "ELASTIQ_MODEL_DIR": str(models()),
    }
    yield Account(environment, Settings.from_environment(environment))
    cloud.stop()
