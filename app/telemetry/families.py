"""Metrics whose values are known when they are asked for, as `prometheus_client` has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the counters' lines


def gauge(name: str, help: str, value: float) -> Metric:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, help, value=value)


def gauges(name: str, help: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a gauge with a value for each of a label's."""
    family = GaugeMetricFamily(name, help, labels=[label])
    for text, value in values.items():
        family.add_metric([text], value)
    return family


def counter(name: str, help: str, value: float) -> Metric:
    """Return a counter without labels; its sample is ``<name>_total``."""
    return CounterMetricFamily(name, help, value=value)


def counters(name: str, help: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a counter with a value for each of a label's."""
    family = CounterMetricFamily(name, help, labels=[label])
    for text, value in values.items():
        family.add_metric([text], value)
    return family


class Asked(Collector):
    """A collector that asks a function whenever somebody reads the metrics.

    Args:
        registry: where it is registered.
        ask: returns the metrics as they are now.
    """

    def __init__(self, registry: CollectorRegistry, ask: Callable[[], Iterable[Metric]]) -> None:
        self._ask = ask
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what it has is not known before it is asked."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now."""
        return self._ask()
