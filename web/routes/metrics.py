"""`GET /metrics`: what this process has counted, what it was told, and what SQS tells it, in Prometheus's text format.

Workers have no HTTP server: what they tell comes by events. ``celery inspect sqs`` asks them for their transport's
counters.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric

from app.aws.queues import dead_letter_queue
from app.sqs.metrics import metrics as transport_counts
from app.telemetry import transport
from app.telemetry.families import Asked, counter, gauge, gauges
from app.telemetry.fleet import of_decision
from web.fleet.depths import Depths
from web.openapi.operations import Answer, operation
from web.tier import Tier, tier

# Of this process: what it counts itself, and what it was told.
OURS = {
    "images_accepted": "Images stored and queued, or found stored already.",
    "images_rejected": "Files that were refused.",
    "images_classified": "Results heard of, by events.",
    "images_failed": "Failures heard of, by events.",
}

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@operation({200: Answer("The figures.", media=("text/plain",))})
def read() -> Response:
    """Return every figure; those of the queues are left out while SQS does not tell."""
    answer = Response(generate_latest(tier().registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def expose(parts: Tier) -> None:
    """Have the tier's registry tell all that the tier knows."""
    Asked(parts.registry, lambda: _families(parts))


def _families(parts: Tier) -> Iterator[Metric]:
    counted = parts.counts.snapshot()
    for name, help in OURS.items():
        yield counter(f"elastiq_{name}", help, transport.count(counted.get(name)))
    yield gauge("elastiq_event_streams_open", "Event streams that are open.", parts.streams.held)
    yield from transport.told(transport_counts)
    yield from _of_queues(parts.depths.read(), parts.settings.queue.name)
    newest = parts.fleet.latest()
    yield gauge("elastiq_autoscaler_heard", "Whether an autoscaler was heard of late.", newest is not None)
    if newest is not None:
        yield from of_decision(newest)
    yield from parts.costs.metrics()


def _of_queues(known: Depths, name: str) -> Iterator[Metric]:
    yield gauge("elastiq_queue_readable", "Whether SQS tells the queues' depths.", known.queue is not None)
    if known.queue is None or known.dead_letters is None:
        return
    depth = {"visible": known.queue.visible, "in_flight": known.queue.in_flight, "delayed": known.queue.delayed}
    help = "Images outstanding: messages in the task queue and the bulk queue, by state."
    yield gauges("elastiq_queue_messages", help, "state", depth)
    yield gauge("elastiq_dead_letters", "Messages that five attempts could not finish.", known.dead_letters)
    lengths = {**known.waiting, dead_letter_queue(name): known.dead_letters}
    yield gauges("celery_queue_length", "Messages that wait in a queue.", "queue_name", lengths)
