"""What the autoscaler tells Prometheus, on a port of its own: its decisions, its launches, what workers announce."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric

from app.announcements import ScalingDecided, Swept
from app.errors import ConfigurationError
from app.settings import Settings
from app.sqs.metrics import metrics as transport_counts
from app.telemetry import transport
from app.telemetry.families import Asked, counter, gauge, gauges
from app.telemetry.fleet import of_decision
from app.telemetry.workload import Workload
from autoscaler.values import Launches

log = structlog.get_logger(__name__)


class Figures:
    """What there is to tell; nothing is served before `serve`.

    Args:
        settings: the queue, the target, and the port.
        leads: whether this autoscaler acts.
    """

    def __init__(self, settings: Settings, leads: Callable[[], bool]) -> None:
        self._settings, self._leads = settings, leads
        self.registry = CollectorRegistry()
        self.workload = Workload(self.registry, settings.queue.name, settings.autoscaler.target_s)
        self._launches, self._swept = Launches(), Swept()
        self._newest: ScalingDecided | None = None
        self._waiting: Mapping[str, int] = {}
        Asked(self.registry, self._families)

    def decided(self, decided: ScalingDecided, launches: Launches, waiting: Mapping[str, int]) -> None:
        """Take note of a decision, of what came of the launches so far, and of what waits in each queue."""
        self._newest, self._launches, self._waiting = decided, launches, waiting

    def swept(self, swept: Swept) -> None:
        """Take note of what the sweep has done."""
        self._swept = swept

    def serve(self) -> None:
        """Answer ``GET /metrics`` from a thread, if a port is set.

        Raises:
            ConfigurationError: the port is taken, or the address is none of this host's.
        """
        where = self._settings.process
        if not where.metrics_port:
            return
        try:
            start_http_server(where.metrics_port, where.metrics_host, self.registry)
        except OSError as err:
            raise ConfigurationError(
                f"cannot listen on {where.metrics_host} port {where.metrics_port}: {err.strerror}; "
                "set ELASTIQ_METRICS_PORT to a free port, or to 0 for none"
            ) from err
        log.info("metrics_served", host=where.metrics_host, port=where.metrics_port)

    def _families(self) -> Iterator[Metric]:
        yield gauge("elastiq_leading", "Whether this autoscaler is the one that acts.", self._leads())
        yield from transport.told(transport_counts)
        yield counter("elastiq_launched", "Instances launched.", self._launches.came)
        yield counter("elastiq_launches_failed", "Launches that brought none.", self._launches.failed)
        untold = "Batches of which webhook or topic could not be told, at the last try, that they are complete."
        yield gauge("elastiq_completions_untold", untold, self._swept.untold)
        newest = self._newest
        if newest is None:
            return
        yield from of_decision(newest)
        depth = newest.depth
        states = {"visible": depth.visible, "in_flight": depth.in_flight, "delayed": depth.delayed}
        yield gauges(
            "elastiq_queue_messages", "Messages in the task queue and the bulk queue, by state.", "state", states
        )
        yield gauges("celery_queue_length", "Messages that wait in a queue.", "queue_name", self._waiting)
