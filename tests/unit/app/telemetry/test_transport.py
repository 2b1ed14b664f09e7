"""The transport's counters as metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from app.sqs.metrics import Metrics
from app.telemetry import transport
from app.telemetry.families import Asked


def test_every_counter_is_told_also_one_that_is_named_nowhere_and_what_is_held_is_a_gauge() -> None:
    counted, registry = Metrics(), CollectorRegistry()
    Asked(registry, lambda: transport.told(counted))
    counted.count("sent", 3)
    counted.count("brand_new")
    counted.count("in_flight", 2)
    counted.called("send_message_batch")

    assert registry.get_sample_value("elastiq_sqs_sent_total") == 3
    assert registry.get_sample_value("elastiq_sqs_leases_lost_total") == 0
    assert registry.get_sample_value("elastiq_sqs_brand_new_total") == 1
    assert registry.get_sample_value("elastiq_sqs_in_flight") == 2
    assert registry.get_sample_value("elastiq_sqs_in_flight_total") is None
    assert registry.get_sample_value("elastiq_sqs_api_calls_total", {"action": "send_message_batch"}) == 1
