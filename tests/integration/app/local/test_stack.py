"""`elastiq up` where it cannot: it says why, ends with status 2, and leaves no process; and what it tells others."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.local.cloud import CREDENTIALS, free_port
from app.local.directory import DataDirectory
from app.local.registry import Registry
from app.local.stack import read_environment
from tests.conftest import models
from tests.support.stack import TIMEOUT_S, Stack, stack
from tests.support.waiting import wait_for

MODELS = {"ELASTIQ_MODEL_DIR": str(models())}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_taken_port_is_refused_with_the_setting_to_change(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = Stack(data_dir, **MODELS, ELASTIQ_PORT=str(taken.getsockname()[1]))
        assert refused.process.wait(TIMEOUT_S) == 2
    assert "ELASTIQ_PORT" in refused.said
    assert refused.processes() == []


def test_so_is_a_port_that_flower_cannot_have(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = Stack(data_dir, "--flower", **MODELS, FLOWER_PORT=str(taken.getsockname()[1]))
        assert refused.process.wait(TIMEOUT_S) == 2
    assert "set FLOWER_PORT to a free port" in refused.said


def test_a_shell_that_still_names_a_cloud_that_is_gone_is_told_so(data_dir: Path) -> None:
    left_over = {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    refused = Stack(data_dir, **MODELS, **left_over)
    assert refused.process.wait(TIMEOUT_S) == 2
    assert "unset it, or open another terminal" in refused.said
    assert refused.processes() == []


def test_a_data_directory_that_is_in_use_is_refused(data_dir: Path) -> None:
    with DataDirectory(data_dir).alone():
        refused = Stack(data_dir, **MODELS)
        assert refused.process.wait(TIMEOUT_S) == 2
    assert f"`elastiq up` runs on {data_dir} already" in refused.said
    assert Registry(data_dir / "run").entries() == []


def test_a_stop_while_it_starts_is_obeyed_and_leaves_nothing(data_dir: Path) -> None:
    starting = Stack(data_dir, **MODELS)
    wait_for(lambda: Registry(data_dir / "run").entries("cloud"), TIMEOUT_S, lambda: starting.said)
    starting.process.send_signal(signal.SIGTERM)
    assert starting.process.wait(TIMEOUT_S) == 0, starting.said
    assert starting.processes() == []
    assert "Elastiq is ready" not in starting.said


def test_with_a_cloud_of_somebody_elses_it_starts_none_and_tells_no_credentials(
    data_dir: Path, environment: dict[str, str]
) -> None:
    own = {name: environment[name] for name in environment if name.startswith(("AWS_", "ELASTIQ_"))}
    with stack(data_dir, **own | {"ELASTIQ_DATA_DIR": str(data_dir)}):
        told = read_environment(data_dir)
        assert Registry(data_dir / "run").entries("cloud") == []
    assert told["AWS_ENDPOINT_URL"] == environment["AWS_ENDPOINT_URL"]
    assert told["ELASTIQ_QUEUE"] == environment["ELASTIQ_QUEUE"]
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & told.keys()


def test_what_runs_nowhere_has_no_environment(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"nothing runs on {tmp_path}; start `elastiq up`"):
        read_environment(tmp_path)
