"""The data directory of `elastiq up`, as others find it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.local.directory import DataDirectory


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """One that something runs on: this process."""
    directory = DataDirectory(tmp_path)
    directory.registry.add("web", "service", os.getpid(), time.time())
    return directory


def test_what_is_published_is_what_is_read_by_this_user_alone(directory: DataDirectory) -> None:
    directory.publish_environment({"AWS_REGION": "eu-central-1"})
    assert DataDirectory(directory.path).read_environment() == {"AWS_REGION": "eu-central-1"}
    assert (directory.path / "environment.json").stat().st_mode & 0o777 == 0o600


def test_before_it_is_published_and_after_it_is_withdrawn_one_is_told_to_try_again(directory: DataDirectory) -> None:
    with pytest.raises(ConfigurationError, match="try again"):
        directory.read_environment()
    directory.publish_environment({})
    directory.withdraw_environment()
    with pytest.raises(ConfigurationError, match="try again"):
        directory.read_environment()


@pytest.mark.parametrize("text", [b"", b'{"AWS_REG', b"[]", b"\xff\xfe", b"[" * 100_000])
def test_what_cannot_be_read_is_an_error_that_names_the_file(directory: DataDirectory, text: bytes) -> None:
    (directory.path / "environment.json").write_bytes(text)
    with pytest.raises(ConfigurationError, match=r"environment\.json cannot be read .*start `elastiq up` anew"):
        directory.read_environment()
