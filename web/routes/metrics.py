"""`GET /metrics`: what this process has counted and what it knows, in Prometheus's text format.

Workers and the autoscaler have no HTTP server; ``celery inspect sqs`` asks them for the transport's counters.
Source: Prometheus, exposition formats, text format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from flask import Blueprint, Response

from app.domain import InstanceState
from app.sqs.metrics import metrics as transport
from web.fleet.depths import Depths
from web.fleet.feed import FleetFeed
from web.fleet.sightings import states_of
from web.tier import Tier, tier

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Of this process: what it counts itself, and what it was told.
OURS = {
    "images_accepted": "Images stored and queued, or found stored already.",
    "images_rejected": "Files that were refused.",
    "images_classified": "Results heard of, by events.",
    "images_failed": "Failures heard of, by events.",
}
# The transport's own, as docs/transport.md has them; another that it counts appears without being named here.
TRANSPORT = {
    "received": "Messages received.",
    "sent": "Messages sent.",
    "deleted": "Messages deleted: their work is done.",
    "given_back": "Messages made visible again.",
    "rejected": "Messages on their way to the dead-letter queue.",
    "leases_extended": "Leases extended.",
    "leases_lost": "Leases lost: that work may be done twice.",
    "polls": "Polls made.",
    "pollers_restarted": "Polling threads replaced by the watchdog.",
    "published": "Messages published to the events topic.",
    "events_dropped": "Events that could not be published.",
    "errors": "Calls that failed.",
    "thread_errors": "Defects: please report them with the log.",
}

Sample = tuple[Mapping[str, str], float]

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def read() -> Response:
    """Return every figure; those of the queues are left out while SQS does not tell."""
    answer = Response("".join(_families(tier())), content_type=CONTENT_TYPE)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def family(name: str, kind: str, help: str, samples: Iterable[Sample]) -> str:
    """Return one metric's lines.

    Args:
        name: without ``elastiq_``.
        kind: ``counter`` or ``gauge``.
        help: what it is.
        samples: labels and value of each.
    """
    name = f"elastiq_{name}"
    told = help.replace("\\", r"\\").replace("\n", r"\n")
    lines = [f"{name}{_labels(labels)} {value:.17g}\n" for labels, value in samples]
    return "".join([f"# HELP {name} {told}\n# TYPE {name} {kind}\n", *lines])


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escapes = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
    return "{" + ",".join(f'{name}="{value.translate(escapes)}"' for name, value in labels.items()) + "}"


def _families(parts: Tier) -> Iterator[str]:
    counted = parts.counts.snapshot()
    for name, help in OURS.items():
        yield family(f"{name}_total", "counter", help, [({}, _count(counted.get(name)))])
    yield _gauge("event_streams_open", "Event streams that are open.", parts.streams.held)
    yield from _of_transport()
    yield from _of_queues(parts.depths.read())
    yield from _of_fleet(parts.fleet)


def _of_transport() -> Iterator[str]:
    counted = transport.snapshot()
    calls, held = counted.pop("api_calls"), counted.pop("in_flight", None)
    yield _gauge("sqs_in_flight", "Messages that are held now.", _count(held))
    for name in sorted({*TRANSPORT, *counted}):
        help = TRANSPORT.get(name, f"The transport's counter {name}.")
        yield family(f"sqs_{name}_total", "counter", help, [({}, _count(counted.get(name)))])
    by_action = sorted(calls.items()) if isinstance(calls, dict) else []
    samples = [({"action": action}, float(count)) for action, count in by_action]
    yield family("sqs_api_calls_total", "counter", "Calls to SQS and SNS, by action.", samples)


def _of_queues(known: Depths) -> Iterator[str]:
    yield _gauge("queue_readable", "Whether SQS tells the queues' depths.", known.queue is not None)
    if known.queue is None or known.dead_letters is None:
        return
    depth = {"visible": known.queue.visible, "in_flight": known.queue.in_flight, "delayed": known.queue.delayed}
    samples = [({"state": state}, float(count)) for state, count in depth.items()]
    yield family("queue_messages", "gauge", "Images outstanding: messages in the task queue, by state.", samples)
    yield _gauge("dead_letters", "Messages that five attempts could not finish.", known.dead_letters)


def _of_fleet(fleet: FleetFeed) -> Iterator[str]:
    newest = fleet.latest()
    yield _gauge("autoscaler_heard", "Whether an autoscaler was heard of late.", newest is not None)
    if newest is None:
        return
    states = states_of(newest.fleet)
    there = [state for state in InstanceState if state is not InstanceState.TERMINATED]
    samples = [({"state": state.value}, float(states[state])) for state in there]
    yield family("instances", "gauge", "Instances by state, as the autoscaler sees them.", samples)
    yield _gauge("instances_desired", "Instances that the autoscaler wants.", newest.desired)
    yield _gauge("instances_ceiling", "Instances that there may be.", newest.ceiling)
    yield _gauge("breaker_open", "Whether instances do not come to work, so that one is tried.", newest.breaker_open)
    yield _gauge("over_budget", "Whether the day's budget is used up, so that none is launched.", newest.over_budget)
    yield _gauge("spot_resting", "Whether on demand comes before spot, after interruptions.", newest.spot_resting)
    yield _gauge("spent_instance_hours", "Instance-hours of this day, UTC.", newest.spent_h)
    if newest.budget_h:
        yield _gauge("budget_instance_hours", "Instance-hours that a day may cost.", newest.budget_h)
    if newest.oldest_s is not None:
        yield _gauge("oldest_image_seconds", "Age of the oldest outstanding image.", newest.oldest_s)


def _gauge(name: str, help: str, value: float) -> str:
    return family(name, "gauge", help, [({}, value)])


def _count(value: int | dict[str, int] | None) -> float:
    return float(value) if isinstance(value, int) else 0.0
