"""Tasks and workers under celery-exporter's names and labels, so that dashboards made for it work.

Its label ``hostname`` is ``generic`` for tasks, its own word for one that names no host, and a place for workers.
Source: danihodovic/celery-exporter, README, "Metrics".
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

from celery.signals import after_task_publish
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

from app.announcements import ImageClassified, ImageFailed, Said, TaskEvent, WorkerCounts, WorkerOffline
from app.domain import Life
from app.telemetry.families import Asked, gauges
from app.telemetry.workers import Workers

# Tasks of which it is remembered what they are called: Celery says so only when one is received.
KEPT = 20_000
UNKNOWN, HOST = "unknown", "generic"
WAITS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 90, 120, 300, 600, 1800, 3600)
_SAID = {
    "sent": "Tasks that this process has published.",
    "received": "Tasks received by a worker.",
    "started": "Tasks begun.",
    "succeeded": "Tasks done.",
    "failed": "Tasks that failed.",
    "retried": "Tasks that failed and are tried again.",
    "rejected": "Tasks left in the queue, or on their way to the dead letters.",
    "revoked": "Tasks called off.",
}
_LABELS = ("name", "hostname", "queue_name")


class Workload:
    """Counts what workers say. Safe to share between threads.

    Args:
        registry: where its metrics are.
        queue: the task queue's name.
        target_s: an image that waits longer is late.
        clock: seconds since 1970.
    """

    def __init__(
        self, registry: CollectorRegistry, queue: str, target_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._queue, self._target_s, self._clock = queue, target_s, clock
        self._lock = threading.Lock()
        self._names: OrderedDict[str, str] = OrderedDict()
        self._workers = Workers()
        self._tasks = {
            stage: Counter(
                f"celery_task_{stage}", help, [*_LABELS, *(["exception"] if stage == "failed" else [])],
                registry=registry,
            )
            for stage, help in _SAID.items()
        }  # fmt: skip
        self._runtime = Histogram("celery_task_runtime", "Seconds that tasks took.", _LABELS, registry=registry)
        self._queued = Histogram(
            "celery_task_queue_wait_time",
            "Seconds that tasks waited in the queue.",
            _LABELS,
            buckets=WAITS_S,
            registry=registry,
        )
        self._waits = Histogram(
            "elastiq_image_wait_seconds",
            "Seconds from an image's queueing to its stored outcome.",
            buckets=WAITS_S,
            registry=registry,
        )
        self._late = Counter("elastiq_images_late", "Images that waited longer than the target.", registry=registry)
        Gauge("elastiq_target_seconds", "Seconds beyond which an image is late.", registry=registry).set(target_s)
        Asked(registry, self._of_workers)
        after_task_publish.connect(self._sent)

    def hear(self, said: Said) -> None:
        """Take note of one event, of any kind."""
        with self._lock:
            match said.what:
                case TaskEvent() as event:
                    self._told(event)
                case ImageClassified(life=Life() as life) | ImageFailed(life=Life() as life):
                    self._lived(life)
                case WorkerOffline():
                    self._workers.gone(said.node, self._clock())
                case WorkerCounts(active=active):
                    self._workers.counted(said.node, active, self._clock())

    def _told(self, event: TaskEvent) -> None:
        if event.name is not None:
            self._names[event.id] = event.name
            while len(self._names) > KEPT:
                self._names.popitem(last=False)
        labels = self._labels(self._names.get(event.id, UNKNOWN))
        if event.stage == "failed":
            self._tasks["failed"].labels(*labels, event.exception or "").inc()
        elif event.stage in self._tasks and event.stage != "sent":
            self._tasks[event.stage].labels(*labels).inc()
        if event.runtime_s is not None:
            self._runtime.labels(*labels).observe(event.runtime_s)

    def _lived(self, life: Life) -> None:
        if life.queued_at is None:
            return
        if life.received_at is not None:
            self._queued.labels(*self._labels(life.task)).observe(max(0.0, life.received_at - life.queued_at))
        waited_s = max(0.0, life.stored_at - life.queued_at)
        self._waits.observe(waited_s)
        if waited_s > self._target_s:
            self._late.inc()

    def _sent(self, sender: object = None, **_: object) -> None:
        self._tasks["sent"].labels(*self._labels(str(sender))).inc()

    def _labels(self, task: str) -> tuple[str, str, str]:
        return task, HOST, self._queue

    def _of_workers(self) -> Iterator[Metric]:
        with self._lock:
            active = self._workers.active(self._clock())
        up = dict.fromkeys(active, 1.0) or {"worker-1": 0.0}
        yield gauges("celery_worker_up", "Whether a worker was heard of late, by its place.", "hostname", up)
        in_hand = active or {"worker-1": 0.0}
        yield gauges("celery_worker_tasks_active", "Tasks that a worker has in hand.", "hostname", in_hand)
        count = {self._queue: float(len(active))}
        yield gauges("celery_active_worker_count", "Workers that serve the queue.", "queue_name", count)
