"""What the autoscaler hears of workers and tells of itself, with real workers and the real topic."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from app.domain import InstanceState
from app.local import EmbeddedCloud
from app.local.registry import Registry
from app.settings import Settings
from autoscaler.announce import DECISION
from autoscaler.fleet.processes import LocalFleet
from autoscaler.listen import Hearing, Listener
from autoscaler.observe import Observer
from tasks.celery import make_app
from tests.support.autoscaler import (
    TIMEOUT_S,
    autoscaler,
    submit,
    wait_for_event,
    worker,
)
from tests.support.fault_proxy import FaultProxy
from tests.support.listening import listening
from tests.support.records import records
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("registry")


@pytest.fixture
def hearing(config: Settings) -> Iterator[Hearing]:
    hearing = Hearing(config.worker.concurrency, lambda: datetime.now(UTC))
    listener = Listener(make_app(config), hearing)
    listener.start()
    yield hearing
    listener.stop()


def test_a_worker_is_seen_from_its_first_word_to_its_goodbye(
    config: Settings,
    environment: dict[str, str],
    registry: Registry,
    hearing: Hearing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**environment, "ELASTIQ_POLL_SECONDS": "1"}.items():
        monkeypatch.setenv(name, value)
    fleet = LocalFleet(Path(config.local.data_dir))
    observer = Observer(config, fleet, hearing=hearing)
    assert observer.observe().hearing_since is not None
    (launched,) = fleet.launch(1, "first")
    (entry,) = registry.entries("instance")
    (booting,) = observer.observe().fleet
    assert booting.heard_at is None
    wait_for(lambda: observer.observe().fleet[0].heard_at)
    seen = observer.observe()
    assert seen.boot_s is not None
    assert 0 < seen.boot_s < TIMEOUT_S
    os.kill(entry.pid, signal.SIGTERM)
    wait_for(lambda: hearing.take().voices[launched.id].leaving)
    assert all(one.state is InstanceState.DRAINING for one in observer.observe().fleet)
    wait_for(lambda: not observer.observe().fleet)
    fleet.instances()  # collects its child


def test_what_workers_have_done_is_told_apart_from_what_has_arrived(
    config: Settings, environment: dict[str, str], hearing: Hearing, tmp_path: Path
) -> None:
    observer = Observer(config, LocalFleet(tmp_path / "no instance of ours"), hearing=hearing)
    with worker(environment, "one", tmp_path / "worker.log"):
        wait_for(lambda: hearing.take().voices)
        rates = [observer.observe().arrival_rate for _ in range(2)]
        for batch in range(6):
            submit(environment, 10, f"batch-{batch}")
            time.sleep(1)
            rates.append(observer.observe().arrival_rate)
    assert rates[-1] is not None
    assert rates[-1] > 1


def test_each_decision_is_announced_with_all_that_it_was_made_of(
    config: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "autoscaler.log"
    with listening(make_app(config), DECISION) as heard, autoscaler({**environment, "ELASTIQ_MAX_INSTANCES": "1"}, log):
        wait_for(lambda: heard)
        submit(environment, 2)
        wait_for(lambda: any(one["launch"] for one in heard))
        wait_for(lambda: any(instance["heard_at"] for one in heard for instance in one["fleet"]))
    launching = next(one for one in heard if one["launch"])
    ours = set(launching) - {"type", "hostname", "timestamp", "utcoffset", "pid", "clock", "local_received"}
    assert ours == {
        *("desired", "launch", "drain", "held", "reason", "policy", "ceiling", "leader"),
        *("depth", "fleet", "oldest_s", "arrival_rate", "service_rate", "boot_s"),
    }
    assert (launching["desired"], launching["launch"], launching["ceiling"]) == (1, 1, 1)
    assert (launching["policy"], launching["held"], launching["drain"]) == ("deadline", False, [])
    assert sum(launching["depth"].values()) == 2
    assert "2 outstanding" in launching["reason"]
    (entry,) = records(log, "leading")
    assert launching["leader"] == entry["name"]
    (instance,) = heard[-1]["fleet"]
    assert set(instance) == {"id", "state", "launched_at", "heard_at"}
    assert abs(instance["launched_at"] - time.time()) < TIMEOUT_S
    assert launching["boot_s"] is None
    assert heard[-1]["boot_s"] > 0


@pytest.mark.slow
def test_a_decision_that_stays_as_it_was_is_announced_every_ten_seconds(
    config: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    with listening(make_app(config), DECISION) as heard, autoscaler(environment, tmp_path / "autoscaler.log"):
        wait_for(lambda: len(heard) >= 3)
    spans = [after["timestamp"] - before["timestamp"] for before, after in pairwise(heard)]
    assert all(9 < span < 15 for span in spans), spans


def test_events_that_nobody_takes_are_said_once_and_stop_no_scaling(
    environment: dict[str, str], cloud: EmbeddedCloud, tmp_path: Path
) -> None:
    log = tmp_path / "autoscaler.log"
    with FaultProxy(cloud.endpoint_url) as proxy:
        proxy.fault("Publish", "503")
        silent = {**environment, "AWS_ENDPOINT_URL": proxy.endpoint_url, "ELASTIQ_MAX_INSTANCES": "1"}
        with autoscaler(silent, log):
            wait_for_event(log, "leading")
            submit(environment, 1)
            wait_for_event(log, "scaled_out")
            wait_for(lambda: proxy.faulted["Publish"] >= 2)
            time.sleep(1)
            assert log.read_text().count("event_publish_failed") == 1


@pytest.mark.parametrize("listen", ["0", "1"])
def test_without_the_right_to_listen_it_starts_one_instance_for_each_image_and_says_why(
    environment: dict[str, str], tmp_path: Path, listen: str
) -> None:
    log = tmp_path / "autoscaler.log"
    unheard = {**environment, "ELASTIQ_LISTEN": listen, "ELASTIQ_MAX_INSTANCES": "2"}
    with autoscaler(unheard, log):
        wait_for_event(log, "leading")
        submit(unheard, 3)
        (launch,) = wait_for_event(log, "scaled_out")
    assert isinstance(launch["launched"], list)
    assert len(launch["launched"]) == (2 if listen == "0" else 1)
    assert ("workers cannot be heard" in str(launch["reason"])) == (listen == "0")
