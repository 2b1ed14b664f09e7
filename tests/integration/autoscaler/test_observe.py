"""Observing: a real queue, and what workers really say, put together with the list of instances."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app import aws
from app.announcements import Announcement, Said, WorkerCounts, WorkerHeartbeat, WorkerOffline
from app.aws.depth import QueueReader
from app.domain import Instance, InstanceState, QueueDepth
from app.errors import ConfigurationError, TransientError
from app.local.registry import Registry
from app.settings import Settings
from autoscaler.fleet.processes import LocalFleet
from autoscaler.listen import Hearing, Listener
from autoscaler.observe import BULK_S, Observer
from autoscaler.values import Launches
from tasks.celery import make_app
from tests.support.autoscaler import collect, submit, worker
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("registry")

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Instances:
    """A fleet whose list the test writes."""

    elastic = True
    spot_resting = False

    def __init__(self) -> None:
        self.there: list[Instance] = []
        self.error: Exception | None = None

    def instances(self) -> list[Instance]:
        if self.error:
            raise self.error
        return list(self.there)

    def launch(self, count: int, token: str) -> list[Instance]:
        raise AssertionError("an observer launches nothing")

    def drain(self, ids: Iterable[str]) -> None:
        raise AssertionError("an observer asks nobody to leave")

    def terminate(self, ids: Iterable[str]) -> None:
        raise AssertionError("an observer ends nothing")


class Looking:
    """An observer on a real queue, and the time, which goes on by a second whenever somebody asks for it."""

    def __init__(self, config: Settings) -> None:
        self.now, self.fleet = START, Instances()
        self.hearing = Hearing(full=8, clock=lambda: self.now)
        self.hearing.begin()
        self.observer = Observer(config, self.fleet, self._clock, self.hearing)

    def _clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def hear(self, instance: str, what: Announcement) -> None:
        self.hearing.hear(Said(what, f"{instance}@host", self.now.timestamp()))

    def launched(self, *ids: str) -> None:
        self.fleet.there = [Instance(id, InstanceState.RUNNING, self.now) for id in ids]


@pytest.fixture
def looking(config: Settings) -> Looking:
    return Looking(config)


def test_at_rest_the_bulk_queue_is_looked_at_more_rarely_and_what_comes_there_is_seen_all_the_same(
    config: Settings, proxy: FaultProxy
) -> None:
    looking = Looking(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)))
    for _ in range(2):
        looking.observer.observe()
    sqs = aws.client("sqs", config.aws)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=config.queue.bulk)["QueueUrl"], MessageBody="an image")
    assert looking.observer.observe().depth.total == 0
    assert proxy.calls["GetQueueAttributes"] == 4, "of three looks, the first alone was at both"
    looking.now += timedelta(seconds=BULK_S)

    assert looking.observer.observe().waiting == {config.queue.name: 0, config.queue.bulk: 1}
    looking.observer.observe()
    assert proxy.calls["GetQueueAttributes"] == 8, "it does not rest"


def test_what_comes_by_the_task_queue_has_the_bulk_queue_looked_at_at_once(looking: Looking, config: Settings) -> None:
    looking.observer.observe()
    sqs = aws.client("sqs", config.aws)
    for queue in (config.queue.name, config.queue.bulk):
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody="an image")

    assert looking.observer.observe().depth.visible == 2


def test_an_observation_says_when_each_part_of_it_was_asked_for(looking: Looking, config: Settings) -> None:
    sqs = aws.client("sqs", config.aws)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=config.queue.name)["QueueUrl"], MessageBody="an image")
    looking.launched("i-1")
    asked = looking.now
    seen = looking.observer.observe()
    assert seen.depth == QueueDepth(1, 0, 0)
    assert [instance.id for instance in seen.fleet] == ["i-1"]
    times = [seen.counted_at, seen.listed_at, seen.at]
    assert times == [asked + timedelta(seconds=seconds) for seconds in (1, 2, 3)]


def test_an_instance_is_as_its_worker_says_and_others_are_as_they_are_listed(looking: Looking) -> None:
    looking.launched("i-1", "i-2", "i-3")
    looking.hear("i-1", WorkerHeartbeat(3, 40))
    looking.hear("i-2", WorkerOffline(0, 40))
    looking.hear("stranger", WorkerHeartbeat(0, 0))
    heard_at = looking.now
    assert [(one.id, one.state, one.heard_at) for one in looking.observer.observe().fleet] == [
        ("i-1", InstanceState.RUNNING, heard_at),
        ("i-2", InstanceState.DRAINING, heard_at),
        ("i-3", InstanceState.RUNNING, None),
    ]


def test_each_heartbeat_is_in_one_observation(looking: Looking) -> None:
    looking.hear("i-1", WorkerHeartbeat(3, 40))
    assert [len(looking.observer.observe().heard.heartbeats) for _ in range(2)] == [1, 0]


def test_where_workers_cannot_be_heard_nothing_is_estimated(config: Settings) -> None:
    seen = Observer(config, Instances()).observe()
    assert seen.heard.since is None
    assert seen.estimates.arrival_rate is None


def test_an_instance_that_is_gone_is_said_once_with_how_long_it_lived(looking: Looking) -> None:
    looking.launched("i-1")
    launched_at = looking.now
    looking.observer.observe()
    looking.fleet.there = []
    looking.now = launched_at + timedelta(seconds=97)
    with capture_logs() as logs:
        gone = looking.observer.observe().gone
        looking.observer.observe()
    assert [instance.id for instance in gone] == ["i-1"]
    (told,) = logs
    assert (told["event"], told["instance"], told["lived_s"]) == ("instance_gone", "i-1", 100.0)


def test_an_instance_that_was_launched_and_never_listed_has_failed_to_boot(looking: Looking) -> None:
    looking.launched("i-1", "i-2")
    came, looking.fleet.there = looking.fleet.there, []
    looking.observer.launched(came)
    failed = looking.observer.observe().failed_boots
    assert failed is not None
    assert (failed.in_a_row, failed.last_at) == (2, looking.now)


def test_a_launch_that_was_refused_is_remembered_with_its_reason(looking: Looking) -> None:
    looking.observer.refused("no room", 30)
    refused_at = looking.now
    refusal = looking.observer.observe().refusal
    assert refusal is not None
    assert (refusal.reason, refusal.at) == ("no room", refused_at)
    assert looking.observer.launches == Launches(came=0, failed=1)


def test_a_queue_that_is_missing_is_an_error_and_no_empty_queue(config: Settings) -> None:
    missing = replace(config, queue=replace(config.queue, name="no-such-queue"))
    with pytest.raises(ConfigurationError, match="no-such-queue"):
        Looking(missing).observer.observe()


def test_a_fleet_that_does_not_answer_is_an_error_and_no_empty_fleet(looking: Looking) -> None:
    looking.launched("i-1")
    looking.observer.observe()
    looking.fleet.error = TransientError("no answer")
    with pytest.raises(TransientError):
        looking.observer.observe()
    looking.fleet.error = None
    assert looking.observer.observe().gone == ()


class Counting(Hearing):
    """A hearing that tells how many images have been done, by the last heartbeat."""

    done = 0

    def hear(self, said: Said) -> None:
        super().hear(said)
        if isinstance(said.what, WorkerCounts):
            self.done = said.what.processed - said.what.active


@pytest.fixture
def hearing(config: Settings) -> Iterator[Counting]:
    """Hears real workers."""
    hearing = Counting(config.worker.concurrency, lambda: datetime.now(UTC))
    listener = Listener(make_app(config), hearing)
    listener.start()
    yield hearing
    listener.stop()


def test_a_worker_is_seen_from_its_first_word_to_its_goodbye(
    config: Settings,
    environment: dict[str, str],
    registry: Registry,
    hearing: Counting,
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
    seen = wait_for(lambda: (look := observer.observe()).fleet[0].heard_at and look)
    (ready,) = seen.fleet
    assert seen.estimates.boot_s == (ready.heard_at - launched.launched_at).total_seconds() > 0
    os.kill(entry.pid, signal.SIGTERM)
    wait_for(lambda: hearing.known().voices[launched.id].leaving)
    assert all(one.state is InstanceState.DRAINING for one in observer.observe().fleet)
    wait_for(lambda: not observer.observe().fleet)
    collect(fleet, entry.pid)


def test_what_workers_have_done_is_told_apart_from_what_has_arrived(
    config: Settings, environment: dict[str, str], hearing: Counting, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    observer = Observer(config, LocalFleet(tmp_path / "no instance of ours"), lambda: now, hearing)
    queue = QueueReader(config)
    rates = []
    with worker(environment, "one", tmp_path / "worker.log"):
        wait_for(lambda: hearing.known().voices)
        observer.observe()
        for batch in range(1, 6):
            submit(environment, 10, f"batch-{batch}")
            # All is done again: the queue tells nothing of what has arrived.
            wait_for(lambda batch=batch: hearing.done == 10 * batch, what=lambda: hearing.done)
            wait_for(lambda: queue.depth().total == 0, what=queue.depth)
            now += timedelta(seconds=4)
            rates.append(observer.observe().estimates.arrival_rate)
    assert rates == [None] * 4 + [2.5]
