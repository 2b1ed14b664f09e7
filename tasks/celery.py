"""The Celery application: what every tier submits through and every worker runs. It imports no engine."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.entity import Exchange, Queue

from app.aws.queues import VISIBILITY_S, dead_letter_queue
from app.settings import QueueSettings, Settings, settings
from app.sqs import bulk

CLASSIFY = "tasks.classify"


def make_app(config: Settings) -> Celery:
    """Return the application that ``config`` describes; it connects at first use."""
    app = Celery(
        "elastiq",
        include=["tasks.classification", "tasks.worker.lifecycle"],
        backend="tasks.backend:OutputBucketBackend",
    )
    app.conf.update(
        broker_url="sqs://",
        broker_transport="app.sqs:Transport",
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "region": config.aws.region or None,
            "endpoint_url": config.aws.endpoint_url or None,
            "visibility_timeout": VISIBILITY_S,
            "wait_time_seconds": config.worker.poll_wait_s,
            "predefined_queues": _predefined(config.queue),
            "background_queues": [config.queue.bulk] if config.queue.bulk else [],
            "dead_letter_queue": dead_letter_queue(config.queue.name),
            "topic": config.queue.topic,
            "topic_arn": config.queue.topic_arn or None,
            "listen": config.queue.listen,
            "listener_prefix": config.queue.listener_prefix,
        },
        result_backend_transport_options={
            "region": config.aws.region or None,
            "endpoint_url": config.aws.endpoint_url,
            "bucket": config.buckets.output,
        },
        task_default_queue=config.queue.name,
        # What a worker consumes; a plain submit goes to the first.
        task_queues=[_queue(name) for name in (config.queue.name, config.queue.bulk) if name],
        task_serializer="json",
        result_serializer="json",
        event_serializer="json",
        accept_content=["json"],
        # A message is deleted once its result is stored, so a worker's death loses nothing.
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=True,
        task_track_started=False,
        # The transport reads ahead by itself and gives that back on a stop; what Celery holds, it runs.
        worker_prefetch_multiplier=1,
        worker_concurrency=config.worker.concurrency,
        worker_pool="tasks.worker.pool:ThreadPool",
        worker_pool_restarts=True,
        worker_hijack_root_logger=False,
        worker_send_task_events=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        result_expires=24 * 3600,
    )
    return app


def _queue(name: str) -> Any:
    return Queue(name, Exchange(name), name)  # type: ignore[no-untyped-call]  # kombu has no types


def _predefined(queue: QueueSettings) -> dict[str, dict[str, str]]:
    """Return the queues whose addresses are given, by name."""
    urls = {queue.name: queue.url, queue.bulk: queue.bulk_url}
    return {name: {"url": url} for name, url in urls.items() if url}


app = make_app(settings())

__all__ = ["CLASSIFY", "app", "bulk", "make_app"]
