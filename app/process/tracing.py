"""Traces this process by OpenTelemetry's SDK. It is imported only where that is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import structlog

from app.errors import ConfigurationError
from app.process import spans
from app.settings import TracingSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = structlog.get_logger(__name__)

# What a process that ends gives its last spans to be sent in.
END_S = 5.0
_PACKAGES = {"otlp_proto_grpc": "opentelemetry-exporter-otlp-proto-grpc"}

_provider: TracerProvider | None = None


def begin(settings: TracingSettings, service: str, instrument: Callable[[], object] = lambda: None) -> bool:
    """Trace this process, where the settings want that; return whether it is traced.

    Where it cannot be, that is logged, and the work goes on: it is worth more than its watching.

    Args:
        settings: whether, and where to.
        service: what it is called unless ``OTEL_SERVICE_NAME`` says it.
        instrument: has libraries make spans of their own; called last, where the process is traced.
    """
    global _provider
    if not settings.wanted:
        return False
    try:
        _provider = _made(settings, service)
        instrument()
    except ModuleNotFoundError as err:
        log.warning("not_traced", reason=f"traces need {err.name}; run: pip install 'elastiq[otel]'")
        return False
    except (ConfigurationError, ValueError) as err:
        log.warning("not_traced", reason=str(err))
        return False
    spans.use(_Tracing(_provider))
    return True


def end(within_s: float = END_S) -> None:
    """Send the spans that wait, for so many seconds at most, and trace no more."""
    global _provider
    provider, _provider = _provider, None
    if provider is not None:
        # A collector that does not answer would be waited for half a minute.
        last = threading.Thread(target=provider.shutdown, name="last-spans", daemon=True)
        last.start()
        last.join(within_s)


def _made(settings: TracingSettings, service: str) -> TracerProvider:
    """Return what makes spans and sends them, as this process's own.

    Raises:
        ModuleNotFoundError: OpenTelemetry is not installed.
        ConfigurationError: what is to send them is not.
        ValueError: one of OpenTelemetry's variables makes no sense.
    """
    from opentelemetry import trace
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    told = OTELResourceDetector().detect()  # reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    provider = TracerProvider(resource=Resource.create({"service.name": service}).merge(told))
    for name in (settings.exporter or "otlp").split(","):
        provider.add_span_processor(BatchSpanProcessor(_exporter(name.strip(), settings.protocol)))
    trace.set_tracer_provider(provider)
    return provider


def _exporter(name: str, protocol: str) -> Any:
    if name == "otlp":
        name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    for found in entry_points(group="opentelemetry_traces_exporter", name=name):
        return found.load()()
    if name == "otlp_proto_http":
        raise ConfigurationError("traces need OpenTelemetry's exporter; run: pip install 'elastiq[otel]'")
    package = _PACKAGES.get(name, "the package that has it")
    raise ConfigurationError(f"there is no exporter of traces named {name!r}; install {package}")


class _Tracing:
    """Spans by OpenTelemetry's API."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import propagate, trace

        self._trace, self._propagate = trace, propagate
        self._tracer = provider.get_tracer("elastiq")

    def span(self, name: str, attributes: dict[str, Any], *, alone: bool) -> AbstractContextManager[object]:
        if not alone and not self._trace.get_current_span().get_span_context().is_valid:
            return nullcontext()
        return self._tracer.start_as_current_span(name, attributes=_plain(attributes))

    def told(self, attributes: dict[str, Any]) -> None:
        self._trace.get_current_span().set_attributes(_plain(attributes))

    def past(self, name: str, carrier: dict[str, Any], ends: tuple[float, float], attributes: dict[str, Any]) -> None:
        parent = self._propagate.extract(carrier)
        if self._trace.get_current_span(parent).get_span_context().is_valid:
            begun, ended = (int(at * 1e9) for at in ends)
            span = self._tracer.start_span(name, context=parent, start_time=begun, attributes=_plain(attributes))
            span.end(max(begun, ended))

    def carrier(self) -> dict[str, str]:
        found: dict[str, str] = {}
        self._propagate.inject(found)
        return found

    def trace_id(self) -> str:
        context = self._trace.get_current_span().get_span_context()
        return self._trace.format_trace_id(context.trace_id) if context.is_valid else ""


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    return {f"elastiq.{name}": value for name, value in attributes.items()}
