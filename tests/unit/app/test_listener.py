"""Reading events: whatever a single one is, it costs a line in the log, and the next one is heard."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.announcements import Said, Swept, WorkerHeartbeat
from app.listener import LINES, SPAN_S, Reader
from tests.support.clock import Clock

GOOD = {"type": WorkerHeartbeat.TYPE, "hostname": "i-0aaa@host", "timestamp": 1.0, "active": 3, "processed": 40}
HEARD = Said(WorkerHeartbeat(3, 40), "i-0aaa@host", 1.0)


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("odd", "type", "reason"),
    [
        (5, None, "the event is no object"),
        (None, None, "the event is no object"),
        ("swept", None, "the event is no object"),
        ({}, None, "type is missing"),
        ({**GOOD, "type": None}, None, "type is no text of at most 1024 characters"),
        ({**GOOD, "type": {"a": 1}}, None, "type is no text of at most 1024 characters"),
        ({**GOOD, "type": "x" * 100_000}, "x" * 64, "type is no text of at most 1024 characters"),
        ({**GOOD, "active": float("nan")}, WorkerHeartbeat.TYPE, "active is no count"),
        ({**GOOD, "active": nested(100_000)}, WorkerHeartbeat.TYPE, "active is no count"),
        ({**GOOD, "type": Swept.TYPE}, Swept.TYPE, "dead_letters is missing"),
    ],
)
def test_what_is_malformed_is_logged_with_its_type_and_why_and_the_next_is_heard(
    odd: object, type: str | None, reason: str
) -> None:
    heard: list[Said] = []
    reader = Reader(heard.append)
    with capture_logs() as logs:
        reader.read([odd, GOOD])
        reader.read(odd)
        reader.read(GOOD)
    assert heard == [HEARD, HEARD]
    line = {"event": "event_malformed", "log_level": "warning", "type": type, "reason": reason, "left_out": 0}
    assert logs == [line, line]


@given(st.lists(st.recursive(st.none() | st.floats() | st.text(), lambda one: st.lists(one), max_leaves=5)))
def test_no_message_ends_the_reading(body: list[object]) -> None:
    heard: list[Said] = []
    Reader(heard.append).read([*body, GOOD])
    assert heard == [HEARD]


def test_a_handler_that_fails_is_logged_with_its_traceback_and_hears_the_next() -> None:
    heard: list[Said] = []

    def hear(said: Said) -> None:
        heard.append(said)
        if len(heard) == 1:
            raise RuntimeError("a defect")

    with capture_logs() as logs:
        Reader(hear).read([GOOD, GOOD])
    assert heard == [HEARD, HEARD]
    (line,) = logs
    assert (line["event"], line["type"], line["log_level"]) == ("event_unhandled", WorkerHeartbeat.TYPE, "error")
    assert line["exc_info"]


def test_of_a_flood_a_few_lines_are_logged_and_the_rest_is_counted() -> None:
    clock = Clock(0.0)
    reader = Reader(lambda said: None, clock)
    with capture_logs() as logs:
        reader.read([5] * 1000)
        assert len(logs) == LINES
        clock.now += SPAN_S - 1
        reader.read(5)
        assert len(logs) == LINES
        clock.now += 1
        reader.read([5] * 2)
    assert [line["left_out"] for line in logs] == [0] * LINES + [1001 - LINES, 0]


def test_a_flood_of_malformed_events_hides_no_defect() -> None:
    def hear(said: Said) -> None:
        raise RuntimeError("a defect")

    with capture_logs() as logs:
        Reader(hear, Clock(0.0)).read([*[5] * 1000, GOOD])
    assert logs[-1]["event"] == "event_unhandled"
