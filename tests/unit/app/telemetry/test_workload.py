"""What workers say, as celery-exporter's dashboards ask for it: read as Prometheus reads it."""

from __future__ import annotations

from typing import Any

import pytest
from celery.signals import after_task_publish
from prometheus_client import CollectorRegistry

from app.announcements import ImageFailed, Said, TaskEvent, WorkerHeartbeat, WorkerOffline
from app.domain import Failure, Life
from app.telemetry import workload
from app.telemetry.workload import Workload

LABELS = {"name": "work", "hostname": "generic", "queue_name": "mine"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def hears(registry: CollectorRegistry, clock: Clock) -> Workload:
    return Workload(registry, "mine", 60.0, clock)


def task(stage: str, id: str = "t1", **more: Any) -> Said:
    fields = {"type": f"task-{stage}", "uuid": id, "hostname": "i-0aaa@host", "timestamp": 1.0, **more}
    return Said.of(fields)


@pytest.mark.parametrize("stage", ["received", "started", "retried", "rejected", "revoked"])
def test_a_step_of_a_task_is_counted_under_its_name(hears: Workload, registry: CollectorRegistry, stage: str) -> None:
    hears.hear(task("received", name="work"))
    if stage != "received":
        hears.hear(task(stage, exception="Retry(1)"))
    assert registry.get_sample_value(f"celery_task_{stage}_total", LABELS) == 1


def test_a_success_has_its_runtime_and_a_failure_the_class_of_its_error(
    hears: Workload, registry: CollectorRegistry
) -> None:
    for id in ("t1", "t2"):
        hears.hear(task("received", id, name="work"))
    hears.hear(task("succeeded", "t1", runtime=0.3, result="x"))
    hears.hear(task("failed", "t2", exception="InvalidImage('secret.png is none')"))

    assert registry.get_sample_value("celery_task_runtime_sum", LABELS) == 0.3
    failed = {**LABELS, "exception": "InvalidImage"}
    assert registry.get_sample_value("celery_task_failed_total", failed) == 1


def test_a_task_whose_beginning_nobody_heard_has_no_name_and_memory_is_bounded(
    hears: Workload, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload, "KEPT", 2)
    for id in ("t1", "t2", "t3"):
        hears.hear(task("received", id, name="work"))
    hears.hear(task("started", "t1"))
    hears.hear(task("started", "t3"))

    assert registry.get_sample_value("celery_task_started_total", {**LABELS, "name": "unknown"}) == 1
    assert registry.get_sample_value("celery_task_started_total", LABELS) == 1


def test_what_is_sent_from_here_is_counted(hears: Workload, registry: CollectorRegistry) -> None:
    after_task_publish.send(sender="work", exchange="", routing_key="mine", body=None, headers={})
    assert registry.get_sample_value("celery_task_sent_total", LABELS) == 1


def test_waits_are_told_and_those_beyond_the_target_are_late(hears: Workload, registry: CollectorRegistry) -> None:
    for stored_at in (103.0, 161.0):
        life = Life("i-0aaa", "work", 1, stored_at, queued_at=100.0, received_at=102.0)
        hears.hear(Said(ImageFailed(Failure.of("b/a.png", "cut short"), life), "i-0aaa@host", 1.0))

    assert registry.get_sample_value("elastiq_image_wait_seconds_sum") == 64
    assert registry.get_sample_value("elastiq_images_late_total") == 1
    assert registry.get_sample_value("celery_task_queue_wait_time_sum", LABELS) == 4


def test_a_life_that_an_older_worker_does_not_tell_or_only_half_is_no_wait(
    hears: Workload, registry: CollectorRegistry
) -> None:
    for life in (None, Life("i-0aaa", "work", 1, 103.0)):
        hears.hear(Said(ImageFailed(Failure.of("b/a.png", "cut short"), life), "i-0aaa@host", 1.0))
    assert registry.get_sample_value("elastiq_image_wait_seconds_count") == 0


def test_workers_are_places_and_no_name_of_one_is_a_label(
    hears: Workload, registry: CollectorRegistry, clock: Clock
) -> None:
    def up() -> dict[str, float]:
        (found,) = [family for family in registry.collect() if family.name == "celery_worker_up"]
        return {sample.labels["hostname"]: sample.value for sample in found.samples}

    assert up() == {"worker-1": 0}
    for number in range(40):  # a fleet that comes and goes
        for node in (f"i-{number}@host", f"j-{number}@host"):
            hears.hear(Said(WorkerHeartbeat(2, 9), node, 1.0))
        assert up() == {"worker-1": 1, "worker-2": 1}
        hears.hear(Said(WorkerOffline(0, 9), f"i-{number}@host", 1.0))
        assert up() == {"worker-2": 1}
        hears.hear(Said(WorkerOffline(0, 9), f"j-{number}@host", 1.0))
    hears.hear(Said(WorkerHeartbeat(0, 9), "i-39@host", 1.0))
    assert up() == {"worker-1": 0}, "what was said before the goodbye and came after it"
    hears.hear(Said(WorkerHeartbeat(2, 9), "k@host", 1.0))
    assert registry.get_sample_value("celery_worker_tasks_active", {"hostname": "worker-1"}) == 2
    assert registry.get_sample_value("celery_active_worker_count", {"queue_name": "mine"}) == 1
    clock.now += 91
    assert up() == {"worker-1": 0}, "silent for too long"


def test_events_of_no_interest_change_nothing(hears: Workload, registry: CollectorRegistry) -> None:
    before = [sample for family in registry.collect() for sample in family.samples]
    hears.hear(Said(None, "i-0aaa@host", 1.0))
    hears.hear(Said(TaskEvent("unheard-of", "t1"), "i-0aaa@host", 1.0))
    assert [sample for family in registry.collect() for sample in family.samples] == before
