"""A web tier that is traced: which requests are, and what a message takes with it."""

from __future__ import annotations

from collections.abc import Callable

from app import aws
from app.sqs import wire
from tests.support.collector import Collector
from tests.support.photographs import chelsea
from tests.support.web import Site


def test_a_request_is_a_trace_which_every_message_of_it_carries_on(serve: Callable[..., Site]) -> None:
    with Collector() as collector:
        site = serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        batch = site.upload(("one.png", chelsea()), ("two.png", chelsea()))
        for path in ("/healthz", "/metrics", "/static/page.css", f"/api/batches/{batch['id']}"):
            site.get(path)
        carried = [headers["traceparent"] for headers in _headers(site)]
        assert site.stop() == 0
        spans = {span.name: span for span in collector.spans if not span.name.startswith("S3 ")}

    upload, queued = spans["POST /api/batches"], spans["queued"]
    assert [parent.rpartition("-")[0] for parent in carried] == [f"00-{upload.trace}-{queued.id}"] * 2
    assert spans.keys() == {"POST /api/batches", "queued", "GET /api/batches/<id>"}


def test_a_message_carries_nothing_where_nothing_is_traced(serve: Callable[..., Site]) -> None:
    site = serve()
    site.upload(("one.png", chelsea()))
    (headers,) = _headers(site)
    assert "traceparent" not in headers


def _headers(site: Site) -> list[dict[str, str]]:
    sqs = aws.client("sqs", site.config.aws)
    url = sqs.get_queue_url(QueueName=site.config.queue.name)["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
    return [wire.decode(message["Body"])["headers"] for message in found]
