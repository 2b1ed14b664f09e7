"""Metrics that are asked for, read by Prometheus's own parser."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.telemetry.families import Asked, counters, gauge, gauges


def test_labels_and_help_are_escaped_and_what_is_asked_is_as_it_is_now() -> None:
    awkward, registry, values = 'a "quoted" \\ and\na new line', CollectorRegistry(), [1.0]
    Asked(registry, lambda: [counters("odd", awkward, "name", {awkward: 1.5}), gauge("now", "Now.", values[-1])])
    values.append(2.0)

    odd, now = text_string_to_metric_families(generate_latest(registry).decode())
    assert odd.documentation == awkward
    assert [(sample.labels, sample.value) for sample in odd.samples] == [({"name": awkward}, 1.5)]
    assert now.samples[0].value == 2.0


def test_a_label_without_values_is_no_sample_and_counters_have_one_line_each() -> None:
    registry = CollectorRegistry()
    Asked(registry, lambda: [gauges("none", "None.", "name", {})])
    Counter("one", "One.", registry=registry)
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert lines == ["one_total 0.0"]
