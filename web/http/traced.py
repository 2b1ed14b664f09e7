"""The web tier's traces: a request is a span by OpenTelemetry's own instrumentation of Flask."""

from __future__ import annotations

from flask import Flask

from app.process import tracing
from app.settings import TracingSettings


def begin(settings: TracingSettings, app: Flask) -> None:
    """Trace this process, where ``settings`` want that; to be called in the process that serves."""

    def instrument() -> None:
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        flask = FlaskInstrumentor()
        flask.instrument_app(app, excluded_urls=settings.untraced_paths)  # type: ignore[no-untyped-call]

    tracing.begin(settings, "elastiq-web", instrument)
