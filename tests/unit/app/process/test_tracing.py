"""A process that is traced, by its environment, and one that cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from tests.support.collector import Collector
from tests.support.workers import ROOT

TRACED = """
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from app.process import logs, spans, tracing
from app.settings import settings

def work():
    with spans.span("in a thread"):
        pass

logs.configure("json", sys.stdout)
print(tracing.begin(settings().tracing, "elastiq-test"))
with spans.span("of no trace"):
    pass
with spans.trace("first", key="b/cat.png"):
    carrier = spans.carrier()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(copy_context().run, work).result()
    tracing.log.info("something", id=spans.trace_id())
spans.past("waited", carrier, (100.0, 102.5), key="b/cat.png")
tracing.end()
"""
# No span is sent before the process ends, unless the end brings it.
LATE = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}


def run(path: Path | None = None, **environment: str) -> str:
    """Run the program above; return what it says."""
    found = {"PYTHONPATH": f"{path or ''}:{ROOT}", "PATH": "/usr/bin:/bin", **LATE, **environment}
    done = subprocess.run(
        [sys.executable, "-c", TRACED], env=found, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_SERVICE_NAME": "mine"}, False),
    ],
)
def test_a_process_is_traced_where_its_environment_says_where_to(environment: dict[str, str], wanted: bool) -> None:
    assert Settings.from_environment(environment).tracing.wanted is wanted


def test_its_end_sends_every_span_with_what_it_tells() -> None:
    with Collector() as collector:
        said = run(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        spans = {span.name: span for span in collector.spans}

    first = spans["first"]
    assert spans.keys() == {"first", "in a thread", "waited"}, "one that is of no trace begins none"
    assert {span.trace for span in spans.values()} == {first.trace}
    assert (first.service, first.parent, first.attributes) == ("elastiq-test", "", {"elastiq.key": "b/cat.png"})
    assert spans["in a thread"].parent == spans["waited"].parent == first.id
    assert (spans["waited"].begun_at, spans["waited"].ended_at) == (100.0, 102.5)
    assert f'"trace_id": "{first.trace}"' in said
    assert f'"id": "{first.trace}"' in said


def test_opentelemetry_s_own_variables_name_and_sample() -> None:
    with Collector() as collector:
        run(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER="always_off")
        assert collector.spans == []
        run(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="mine")
        assert {span.service for span in collector.spans} == {"mine"}


def test_a_process_without_the_extra_says_what_to_install_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry.py").write_text("raise ModuleNotFoundError(name=__name__)")
    said = run(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert "traces need opentelemetry; run: pip install 'elastiq[otel]'" in said
    assert "\nFalse\n" in said


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "install opentelemetry-exporter-otlp-proto-grpc"),
        ({"OTEL_TRACES_EXPORTER": "pigeon"}, "no exporter of traces named 'pigeon'"),
    ],
)
def test_an_exporter_that_is_not_there_is_named(wrong: dict[str, str], words: str) -> None:
    said = run(**{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **wrong})
    assert words in said
    assert "\nFalse\n" in said


def test_a_collector_that_does_not_answer_keeps_no_process_from_its_end() -> None:
    assert "True" in run(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
