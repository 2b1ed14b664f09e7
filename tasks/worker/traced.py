"""A worker's traces: a task is a span by OpenTelemetry's own instrumentation of Celery; `tasks.diary` has its steps."""

from __future__ import annotations

from app.process import tracing
from app.settings import TracingSettings


def begin(settings: TracingSettings) -> None:
    """Trace this worker, where ``settings`` want that."""
    tracing.begin(settings, "elastiq-worker", _instrument)


def _instrument() -> None:
    """Have a task's span go on with the trace of its message, and what the task publishes with the task's."""
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]
