"""Spans where nothing traces the process, which is the rule, and where something does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from app.process import spans
from tests.support.workers import ROOT

EVERYTHING = "app.cli, web.server, tasks.worker.lifecycle, tasks.classification, autoscaler.service"


class Heard:
    """Traces a process in a list."""

    def __init__(self) -> None:
        self.said: list[tuple[object, ...]] = []

    def span(self, name: str, attributes: dict[str, Any], *, alone: bool) -> AbstractContextManager[object]:
        self.said.append((name, attributes, alone))
        return nullcontext()

    def told(self, attributes: dict[str, Any]) -> None:
        self.said.append((attributes,))

    def past(self, name: str, carrier: dict[str, Any], ends: tuple[float, float], attributes: dict[str, Any]) -> None:
        self.said.append((name, carrier, ends, attributes))

    def carrier(self) -> dict[str, str]:
        return {"traceparent": "here"}

    def trace_id(self) -> str:
        return "abc"


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    spans.use(heard)
    yield heard
    spans.use(None)


def test_a_process_of_every_tier_imports_nothing_of_opentelemetry_unless_it_is_traced() -> None:
    code = f"import sys, {EVERYTHING}; print([m for m in sys.modules if 'opentelemetry' in m])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_where_nothing_traces_the_process_nothing_is_told_or_carried() -> None:
    with spans.span("fetched", key="b/cat.png"), spans.trace("again"):
        spans.tell(key="b/cat.png")
        spans.past("waited", {}, (1.0, 2.0))
        assert (spans.carrier(), spans.trace_id()) == ({}, "")


def test_what_traces_the_process_is_told_everything(heard: Heard) -> None:
    with spans.span("fetched", key="b/cat.png"), spans.trace("again"):
        spans.tell(label="tabby")
        spans.past("waited", {"traceparent": "there"}, (1.0, 2.0), key="b/cat.png")
        assert (spans.carrier(), spans.trace_id()) == ({"traceparent": "here"}, "abc")
    assert heard.said == [
        ("fetched", {"key": "b/cat.png"}, False),
        ("again", {}, True),
        ({"label": "tabby"},),
        ("waited", {"traceparent": "there"}, (1.0, 2.0), {"key": "b/cat.png"}),
    ]
