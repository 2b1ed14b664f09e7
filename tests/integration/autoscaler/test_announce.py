"""What the autoscaler hears of workers and tells of itself, with real workers and the real topic."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.announcements import Said, ScalingDecided, WorkerHeartbeat, WorkerOffline
from app.local import EmbeddedCloud
from app.settings import Settings
from autoscaler.listen import Hearing, Listener
from tasks.celery import make_app
from tests.support.autoscaler import (
    autoscaler,
    submit,
    wait_for_event,
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


def decisions(heard: list[Said]) -> list[ScalingDecided]:
    return [said.what for said in heard if isinstance(said.what, ScalingDecided)]


def test_each_decision_is_announced_with_all_that_it_was_made_of(
    config: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    log, began = tmp_path / "autoscaler.log", datetime.now(UTC)
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
    assert began < instance.launched_at < datetime.now(UTC)
    assert last.boot_s is not None
    assert last.boot_s > 0


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
        # Its workers find no model and say nothing: whatever is published is the autoscaler's.
        silent = {**environment, "AWS_ENDPOINT_URL": proxy.endpoint_url, "ELASTIQ_MODEL_DIR": str(tmp_path / "none")}
        with autoscaler(silent, log):
            wait_for_event(log, "leading")
            submit(environment, 1)
            wait_for_event(log, "scaled_out")
            # The first failure has been logged or passed over before the next call is made.
            wait_for(lambda: proxy.faulted["Publish"] >= 4)
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
