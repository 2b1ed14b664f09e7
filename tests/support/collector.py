"""A collector of traces, as OpenTelemetry's protocol has it over HTTP: it keeps every span that comes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Span:
    """One span; times in seconds since 1970, ``parent`` empty for a trace's first."""

    service: str
    trace: str
    id: str
    parent: str
    name: str
    begun_at: float
    ended_at: float
    failed: bool
    attributes: dict[str, Any]


class Collector:
    """Listens on a free port of loopback, within a ``with`` block."""

    def __init__(self) -> None:
        collector, self._spans = self, list[Span]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                collector._spans.extend(_read(request))
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Return what ``OTEL_EXPORTER_OTLP_ENDPOINT`` is to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[Span]:
        """Return those that have come so far."""
        return list(self._spans)

    def __enter__(self) -> Collector:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _read(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        Span(
            service=_attributes(resource.resource).get("service.name", ""),
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            name=span.name,
            begun_at=span.start_time_unix_nano / 1e9,
            ended_at=span.end_time_unix_nano / 1e9,
            failed=span.status.code == span.status.STATUS_CODE_ERROR,
            attributes=_attributes(span),
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _attributes(holder: Any) -> dict[str, Any]:
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value") for item in holder.attributes
    }
