"""A decision as metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from app.telemetry.families import Asked
from app.telemetry.fleet import of_decision
from tests.support.fleet import decision


def test_what_was_measured_is_told_and_what_was_not_is_left_out() -> None:
    registry = CollectorRegistry()
    Asked(registry, lambda: of_decision(decision(service_rate=None, breaker_open=True)))

    told = {family.name: family.samples for family in registry.collect()}
    assert [sample.value for sample in told["elastiq_instances_desired"]] == [2]
    assert registry.get_sample_value("elastiq_instances", {"state": "pending"}) == 1
    assert registry.get_sample_value("elastiq_arrival_rate") == 3.25
    assert registry.get_sample_value("elastiq_breaker_open") == 1
    assert "elastiq_service_rate" not in told
