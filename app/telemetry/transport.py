"""The transport's own counters, of this process; another that it counts appears without being named here."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from app.sqs.metrics import Metrics
from app.telemetry.families import counter, counters, gauge

# As docs/transport.md has them.
HELP = {
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


def told(transport: Metrics) -> Iterator[Metric]:
    """Yield what the transport has counted."""
    counted = transport.snapshot()
    calls, held = counted.pop("api_calls"), counted.pop("in_flight", None)
    yield gauge("elastiq_sqs_in_flight", "Messages that are held now.", count(held))
    for name in sorted({*HELP, *counted}):
        help = HELP.get(name, f"The transport's counter {name}.")
        yield counter(f"elastiq_sqs_{name}", help, count(counted.get(name)))
    by_action = {action: float(number) for action, number in sorted(calls.items())} if isinstance(calls, dict) else {}
    yield counters("elastiq_sqs_api_calls", "Calls to SQS and SNS, by action.", "action", by_action)


def count(value: int | dict[str, int] | None) -> float:
    """Return a counter's value; 0 of one that has counted nothing yet."""
    return float(value) if isinstance(value, int) else 0.0
