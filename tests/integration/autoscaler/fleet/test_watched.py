"""The autoscaler where others start and stop the workers: it watches, and tells what it would do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.announcements import Announcement, Said, ScalingDecided, WorkerHeartbeat, WorkerOffline
from app.local.registry import Registry
from app.settings import Settings
from app.storage import Storage
from autoscaler.fleet.watched import WatchedFleet
from autoscaler.listen import Hearing
from autoscaler.loop import Loop
from autoscaler.observe import Observer
from autoscaler.values import Limits, Observation, ScalingDecision
from tasks.celery import make_app
from tests.support.autoscaler import TIMEOUT_S, autoscaler, submit, wait_for_event, worker
from tests.support.listening import announced
from tests.support.records import records
from tests.support.waiting import wait_for

HEARTBEAT = WorkerHeartbeat(0, 0)
SAID = "; watched only, nothing is started or stopped"


class Watching:
    """A loop on a real queue, what it hears, tells and saw, and the time, which the test moves."""

    def __init__(self, config: Settings, policy: str) -> None:
        self.now = datetime.now(UTC)
        self.hearing = Hearing(8, lambda: self.now)
        self.hearing.begin()
        self.told: list[ScalingDecision] = []
        self.seen: list[Observation] = []
        fleet = WatchedFleet(self.hearing, lambda: self.now)
        observer = Observer(config, fleet, lambda: self.now, self.hearing)
        self.loop = Loop(observer, fleet, Limits(19, policy), tell=self._tell)

    def after(self, seconds: float, *instances: str, what: Announcement = HEARTBEAT) -> ScalingDecision | None:
        """Hear workers and the own events so many seconds later, and take a step."""
        self.now += timedelta(seconds=seconds)
        self.hearing.hear(Said(None, "leader", self.now.timestamp()))
        for instance in instances:
            self.hearing.hear(Said(what, f"{instance}@host", self.now.timestamp()))
        return self.loop.step()

    def _tell(self, seen: Observation, decision: ScalingDecision, limits: Limits) -> None:
        self.seen.append(seen)
        self.told.append(decision)


@pytest.mark.parametrize(("policy", "desired"), [("deadline", 1), ("seed", 3)])
def test_the_policy_says_what_it_wants_and_nothing_is_launched(
    config: Settings, environment: dict[str, str], policy: str, desired: int
) -> None:
    submit(environment, 3)
    watching = Watching(config, policy)
    with capture_logs() as logs:
        decisions = [watching.after(2) for _ in range(2)]
    assert watching.told == decisions
    for told in watching.told:
        assert (told.desired, told.launch, told.drain, told.held) == (desired, 0, (), False)
        assert told.reason.startswith("3 outstanding")
        assert told.reason.endswith(SAID)
    assert logs == []


def test_a_surplus_is_told_and_nobody_is_asked_to_leave(config: Settings) -> None:
    watching = Watching(config, "deadline")
    decisions = [watching.after(10, "one", "two", "three") for _ in range(10)]
    last = decisions[-1]
    assert last is not None
    assert (last.desired, last.launch, last.drain) == (1, 0, ())
    assert last.reason.endswith(f"1 are enough{SAID}")


def test_one_that_goes_on_after_its_goodbye_is_not_reminded(config: Settings) -> None:
    watching = Watching(config, "deadline")
    watching.after(2, "one", what=WorkerOffline(0, 0))
    with capture_logs() as logs:
        for _ in range(10):
            assert watching.after(10, "one", what=WorkerOffline(0, 0)) is not None
    assert logs == []


def test_a_worker_that_ends_soon_is_no_failed_boot_and_its_life_ends_with_its_last_word(config: Settings) -> None:
    watching = Watching(replace(config, worker=replace(config.worker, idle_s=0)), "seed")
    watching.after(2, "one")
    watching.after(4, "one")
    with capture_logs() as logs:
        for _ in range(4):
            watching.after(10)
    (gone,) = logs
    assert (gone["event"], gone["instance"], gone["lived_s"]) == ("instance_gone", "one", 4.0)
    assert {seen.failed_boots for seen in watching.seen} == {None}
    assert {seen.estimates.boot_s for seen in watching.seen} == {None}


def test_an_autoscaler_that_hears_nothing_says_so_and_tells_no_empty_fleet(config: Settings) -> None:
    watching = Watching(config, "deadline")
    watching.after(2, "one")
    watching.now += timedelta(seconds=31)
    with capture_logs() as logs:
        assert [watching.loop.step() for _ in range(3)] == [None] * 3
    assert [entry["event"] for entry in logs] == ["step_failed"]
    assert watching.told[-1].held
    assert [instance.id for instance in watching.seen[-1].fleet] == ["one"]
    assert watching.after(2, "one") is not None


def decisions(heard: list[Said]) -> list[ScalingDecided]:
    return [said.what for said in heard if isinstance(said.what, ScalingDecided)]


def test_fixed_workers_are_watched_at_their_work_and_none_is_started(
    environment: dict[str, str], config: Settings, registry: Registry, tmp_path: Path
) -> None:
    log, storage = tmp_path / "autoscaler.log", Storage(config)
    watched = {**environment, "ELASTIQ_WATCH_ONLY": "1", "ELASTIQ_POLICY": "seed"}
    with (
        announced(make_app(config)) as heard,
        autoscaler(watched, log),
    ):
        submit(watched, 3)
        wait_for(lambda: any(one.desired == 3 for one in decisions(heard)), what=log.read_text)
        with worker(watched, "fixed-1", tmp_path / "worker.log"):
            wait_for(lambda: all(storage.outcome(f"batch/{n}.png") for n in range(3)), what=log.read_text)
            wait_for(lambda: decisions(heard)[-1].fleet, what=log.read_text)
    told = decisions(heard)
    assert [instance.id for instance in told[-1].fleet] == ["fixed-1"]
    assert {(one.launch, one.drain, one.boot_s) for one in told} == {(0, (), None)}
    assert all(one.reason.endswith(SAID) for one in told)
    assert registry.entries("instance") == []
    (started,) = wait_for_event(log, "autoscaler_started")
    assert started["fleet"] == "WatchedFleet"
    assert not [entry for entry in records(log) if entry["level"] in ("warning", "error")]


def test_it_ends_at_once_where_workers_cannot_be_heard(environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", "autoscaler"],
        env={**environment, "ELASTIQ_WATCH_ONLY": "1", "ELASTIQ_LISTEN": "0"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert ended.returncode == 2
    assert "ELASTIQ_WATCH_ONLY=1 needs ELASTIQ_LISTEN=1" in ended.stderr
