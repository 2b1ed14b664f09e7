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

from app.announcements import Said, ScalingDecided, WorkerHeartbeat, WorkerOffline
from app.domain import Instance, InstanceState, QueueDepth
from app.local import EmbeddedCloud
from app.local.registry import Registry
from app.settings import Settings
from autoscaler.announce import announcement
from autoscaler.fleet.processes import LocalFleet
from autoscaler.listen import Hearing, Listener
from autoscaler.observe import Observer
from autoscaler.values import Limits, Observation, ScalingDecision
from tasks.celery import make_app
from tests.support.autoscaler import (
    TIMEOUT_S,
    autoscaler,
    submit,
    wait_for_event,
    worker,
)
from tests.support.fault_proxy import FaultProxy
from tests.support.fleet import announcer, listeners, wait_for_listener
from tests.support.listening import announced
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
    assert observer.observe().heard.since is not None
    (launched,) = fleet.launch(1, "first")
    (entry,) = registry.entries("instance")
    (booting,) = observer.observe().fleet
    assert booting.heard_at is None
    wait_for(lambda: observer.observe().fleet[0].heard_at)
    seen = observer.observe()
    assert seen.estimates.boot_s is not None
    assert 0 < seen.estimates.boot_s < TIMEOUT_S
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
        rates = [observer.observe().estimates.arrival_rate for _ in range(2)]
        for batch in range(6):
            submit(environment, 10, f"batch-{batch}")
            time.sleep(1)
            rates.append(observer.observe().estimates.arrival_rate)
    assert rates[-1] is not None
    assert rates[-1] > 1


def decisions(heard: list[Said]) -> list[ScalingDecided]:
    return [said.what for said in heard if isinstance(said.what, ScalingDecided)]


def test_each_decision_is_announced_with_all_that_it_was_made_of(
    config: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "autoscaler.log"
    with announced(make_app(config)) as heard, autoscaler({**environment, "ELASTIQ_MAX_INSTANCES": "1"}, log):
        wait_for(lambda: decisions(heard))
        submit(environment, 2)
        wait_for(lambda: any(one.launch for one in decisions(heard)))
        wait_for(lambda: any(instance.heard_at for one in decisions(heard) for instance in one.fleet))
    launching = next(one for one in decisions(heard) if one.launch)
    assert (launching.desired, launching.launch, launching.ceiling) == (1, 1, 1)
    assert (launching.policy, launching.held, launching.drain) == ("deadline", False, ())
    assert launching.depth.total == 2
    assert "2 outstanding" in launching.reason
    (entry,) = records(log, "leading")
    assert launching.leader == entry["name"]
    assert launching.boot_s is None
    last = decisions(heard)[-1]
    (instance,) = last.fleet
    assert abs(instance.launched_at.timestamp() - time.time()) < TIMEOUT_S
    assert last.boot_s is not None
    assert last.boot_s > 0


@pytest.mark.slow
def test_a_decision_that_stays_as_it_was_is_announced_every_ten_seconds(
    config: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    with announced(make_app(config)) as heard, autoscaler(environment, tmp_path / "autoscaler.log"):
        wait_for(lambda: len(decisions(heard)) >= 3)
    times = [said.at for said in heard if isinstance(said.what, ScalingDecided)]
    spans = [after - before for before, after in pairwise(times)]
    assert all(9 < span < 15 for span in spans), spans


def test_a_reason_of_any_length_can_be_announced() -> None:
    now = datetime.now(UTC)
    fleet = (Instance("i-1", InstanceState.RUNNING, now),)
    seen = Observation(at=now, depth=QueueDepth(1, 0), counted_at=now, fleet=fleet, listed_at=now)
    refusal = "you are not authorised to do this: " + "x" * 100_000
    said = announcement(seen, ScalingDecision(desired=1, launch=0, reason=refusal, held=True), Limits(19), "host-1:77")
    assert ScalingDecided.of(said.to_event()) == said
    assert said.reason.startswith("you are not authorised")


def test_no_malformed_event_ends_the_hearing(config: Settings, hearing: Hearing) -> None:
    wait_for_listener(config)
    queues = listeners(config)
    with announcer(config) as announce:
        announce.send(WorkerHeartbeat.TYPE, "i-1@host", active=float("nan"), processed=[])
        announce.publish([7, {"type": WorkerOffline.TYPE, "hostname": 7, "timestamp": "noon", "utcoffset": 0}])
        announce.publish({"type": "task-sent", "hostname": "x", "timestamp": float("inf"), "clock": {}})
        announce.say(WorkerHeartbeat(active=3, processed=40), "i-2@host")
    wait_for(lambda: hearing.known().voices)
    assert set(hearing.known().voices) == {"i-2"}
    assert listeners(config) == queues


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
