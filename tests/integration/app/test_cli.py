"""The `elastiq` command as a process: services as containers run them, and errors as people see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from app.account.provision import provision
from app.local import EmbeddedCloud
from app.local.cloud import CREDENTIALS, free_port
from app.process.healthy import why_not
from app.settings import Settings
from app.storage import Storage
from tests.support.command import elastiq
from tests.support.waiting import wait_for
from tests.support.workers import ROOT


@contextmanager
def service(log: Path, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of them, logging to standard output, which is ``log``."""
    given = {**os.environ, "ELASTIQ_LOG_STREAM": "stdout", **environment}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *command], env=given, cwd=ROOT, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return not why_not(url)


def addresses(process: subprocess.Popen[bytes]) -> set[str]:
    found = psutil.Process(process.pid).net_connections()
    return {at.laddr.ip for at in found if at.status == psutil.CONN_LISTEN}


def stopped_with_records_alone(process: subprocess.Popen[bytes], log: Path) -> None:
    process.terminate()
    assert process.wait(30) == 0
    assert all("event" in json.loads(line) for line in log.read_text().splitlines())


def test_the_cloud_alone_keeps_its_data_binds_to_loopback_and_logs_records(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    config = Settings.from_environment({**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})

    def run(use: Callable[[], object]) -> object:
        with service(log, "cloud", f"--port={port}", ELASTIQ_DATA_DIR=str(tmp_path)) as cloud:
            wait_for(lambda: answers(f"http://127.0.0.1:{port}/_ministack/health", cloud, log), 30)
            assert addresses(cloud) == {"127.0.0.1"}
            used = use()
            stopped_with_records_alone(cloud, log)
        return used

    run(lambda: (provision(config), Storage(config).put_image("b/cat.png", b"image", "image/png")))
    assert run(lambda: Storage(config).get_image("b/cat.png")) == b"image"


def test_flower_binds_to_loopback_and_logs_records(cloud: EmbeddedCloud, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with service(log, "flower", "--port", str(port), **cloud.environment) as flower:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthcheck", flower, log), 60)
        assert addresses(flower) == {"127.0.0.1"}
        stopped_with_records_alone(flower, log)


def test_without_credentials_a_command_says_how_to_set_them() -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "AWS_EC2_METADATA_DISABLED": "true"}

    ended = elastiq("provision", environment=environment | {"HOME": "/nonexistent"})

    assert ended.returncode == 2
    assert "set AWS's usual variables" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_profile_that_does_not_exist_is_one_clear_line() -> None:
    ended = elastiq("provision", environment={**os.environ, "AWS_PROFILE": "no-such-profile"})

    assert ended.returncode == 2
    assert "no-such-profile" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
