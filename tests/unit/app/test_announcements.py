"""Announcements: each survives its event, and what is no announcement of ours is refused, saying why."""

from __future__ import annotations

import ast
import json
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads

from app.announcements import (
    KINDS,
    Announcement,
    ImageClassified,
    Said,
    ScalingDecided,
    Swept,
    TaskEvent,
    WorkerHeartbeat,
    WorkerLeaving,
    WorkerOnline,
    clipped,
)
from app.domain import Classification, Instance, InstanceState, Prediction, QueueDepth
from app.errors import MalformedAnnouncement
from app.fields import LONGEST_NAME, LONGEST_TEXT, MOST
from tests.support.announcements import ANNOUNCEMENTS

ROOT = Path(__file__).parents[3]
NODE, AT = "autoscaler@test", 1_800_000_000.5

# What JSON can be, with what Python's reads beyond it: NaN and Infinity.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

DECIDED = ScalingDecided(
    desired=2,
    launch=1,
    drain=("i-0bbb",),
    held=False,
    reason="12 images are due within 60 s",
    policy="deadline",
    ceiling=19,
    leader="host-1:77",
    depth=QueueDepth(9, 2, 1),
    fleet=(Instance("i-0aaa", InstanceState.RUNNING, datetime(2026, 11, 24, tzinfo=UTC)),),
)
# Fields that came after the first version: an older autoscaler, while a new one is rolled out, does not send them.
LATER = {"breaker_open", "over_budget", "spot_resting", "spent_h", "budget_h", "life", "cost", "untold"}
CLASSIFIED = ImageClassified(Classification.of("batch/a.png", [Prediction("tabby", 0.9)], "m"))


def event(what: Announcement, **changes: Any) -> dict[str, Any]:
    """Return an event as it comes, with what Celery adds to it."""
    envelope = {"type": what.TYPE, "hostname": NODE, "timestamp": AT, "utcoffset": -1, "pid": 77, "clock": 5}
    return {**what.to_event(), **envelope, **changes}


@given(ANNOUNCEMENTS)
def test_to_event_and_of_are_inverses(what: Announcement) -> None:
    assert type(what).of(what.to_event()) == what


@given(ANNOUNCEMENTS)
def test_an_announcement_survives_its_journey_as_an_event(what: Announcement) -> None:
    assert Said.of(loads(dumps(event(what)))) == Said(what, NODE, AT)


@given(ANNOUNCEMENTS, st.data())
def test_an_event_with_one_odd_field_is_read_or_refused_and_nothing_else(what: Announcement, data: Any) -> None:
    odd = event(what)
    odd[data.draw(st.sampled_from(sorted(odd)))] = data.draw(JSON)
    with suppress(MalformedAnnouncement):
        said = Said.of(odd)
        assert said.what is None or json.dumps(said.what.to_event(), allow_nan=False).encode()


@given(JSON)
def test_what_is_made_of_anything_is_refused_as_malformed(odd: object) -> None:
    with pytest.raises(MalformedAnnouncement):
        Said.of(odd)
    for kind in KINDS.values():
        with pytest.raises(MalformedAnnouncement):
            kind.of({"type": kind.TYPE, "odd": odd})


@pytest.mark.parametrize("what", [DECIDED, CLASSIFIED, Swept(), WorkerLeaving("idle"), WorkerOnline(0, 0)])
def test_each_field_must_be_there(what: Announcement) -> None:
    for name in what.to_event().keys() - LATER:
        lacking = event(what)
        del lacking[name]
        with pytest.raises(MalformedAnnouncement, match=f"{name} is missing"):
            Said.of(lacking)


def test_an_older_version_and_a_newer_one_are_understood() -> None:
    older = event(replace(DECIDED, breaker_open=False))
    for name in LATER:
        older.pop(name, None)
    assert Said.of(older).what == DECIDED
    assert Said.of(event(DECIDED, what_a_later_version_adds=1)).what == DECIDED


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"desired": "many"}, "desired is no count"),
        ({"desired": 2.0}, "desired is no count"),
        ({"desired": True}, "desired is no count"),
        ({"desired": -1}, "desired is no count"),
        ({"desired": 10**400}, "desired is no count"),
        ({"desired": float("inf")}, "desired is no count"),
        ({"oldest_s": float("nan")}, "oldest_s is no number"),
        ({"oldest_s": float("-inf")}, "oldest_s is no number"),
        ({"oldest_s": 10**400}, "oldest_s is no number"),
        ({"oldest_s": "12"}, "oldest_s is no number"),
        ({"held": 0}, "held is neither true nor false"),
        ({"reason": None}, "reason is no text"),
        ({"reason": "x" * (LONGEST_TEXT + 1)}, "reason is no text of at most 4096 characters"),
        ({"reason": "half of \ud83d"}, "reason is no text"),
        ({"leader": "x" * (LONGEST_NAME + 1)}, "leader is no text of at most 1024 characters"),
        ({"drain": None}, "drain is no list"),
        ({"drain": "i-0aaa"}, "drain is no list"),
        ({"drain": [5]}, "drain is no text"),
        ({"drain": [""] * (MOST + 1)}, "drain is no list, or too long a one"),
        ({"depth": {}}, "depth.visible is missing"),
        ({"depth": 12}, "depth is no object"),
        ({"fleet": {}}, "fleet is no list"),
        ({"fleet": ["i-0aaa"]}, r"fleet\[0\] is no object"),
        ({"fleet": [{"id": "x", "state": "melting", "launched_at": 1, "heard_at": None}]}, r"fleet\[0\].state is none"),
        ({"fleet": [{"id": "x", "state": ["running"]}]}, r"fleet\[0\].state is no text"),
        ({"fleet": [{"id": "x", "state": "running", "launched_at": 1e12}]}, r"fleet\[0\].launched_at is no time"),
        ({"hostname": {}}, "hostname is no text"),
        ({"timestamp": "noon"}, "timestamp is no number"),
        ({"timestamp": -1}, "timestamp is no time"),
        ({"timestamp": 1e18}, "timestamp is no number, or too large a one"),
        ({"type": [ScalingDecided.TYPE]}, "type is no text"),
    ],
)
def test_what_is_not_what_it_should_be_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(MalformedAnnouncement, match=words):
        Said.of(event(DECIDED, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"key": 5},
        {"score": float("nan")},
        {"top5": "tabby"},
        {"top5": [{"label": "tabby", "score": float("inf")}]},
        {"top5": [["tabby", 0.9]]},
        {"label": None},
    ],
)
def test_an_image_s_event_is_read_as_strictly(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnnouncement):
        Said.of(event(CLASSIFIED, **changes))


@pytest.mark.parametrize("odd", [None, 5, "an event", [], {}, {"type": None}, {"no": "type"}])
def test_what_is_no_event_at_all_is_malformed(odd: object) -> None:
    with pytest.raises(MalformedAnnouncement):
        Said.of(odd)


def test_an_event_of_another_kind_says_only_who_and_when() -> None:
    said = Said.of({"type": "beat-started", "hostname": "i-0aaa@host", "timestamp": AT, "args": [float("nan")]})
    assert (said.what, said.instance, said.at) == (None, "i-0aaa", AT)


def test_what_celery_says_of_a_task_is_read_but_for_what_it_holds() -> None:
    failed = {"type": "task-failed", "uuid": "t1", "exception": "InvalidImage('of a user')", "traceback": "secret"}
    said = Said.of({**failed, "hostname": "i-0aaa@host", "timestamp": AT})
    assert said.what == TaskEvent("failed", "t1", exception="InvalidImage")
    with pytest.raises(MalformedAnnouncement, match="runtime"):
        Said.of({"type": "task-succeeded", "uuid": "t1", "hostname": "i-0aaa@host", "timestamp": AT, "runtime": "long"})


def test_what_others_add_to_an_event_is_passed_over() -> None:
    beat = WorkerHeartbeat(3, 40)
    assert Said.of(event(beat, freq=2.0, loadavg=[0.1], sw_ver=object())).what == beat


@pytest.mark.parametrize("length", [0, LONGEST_TEXT, LONGEST_TEXT + 1, 10 * LONGEST_TEXT])
def test_a_text_that_was_clipped_can_be_announced(length: int) -> None:
    reason = clipped("x" * length)
    assert Said.of(event(replace(DECIDED, reason=reason))).what == replace(DECIDED, reason=reason)
    assert reason == "x" * length or reason.endswith("x…")


def test_no_event_s_name_is_written_anywhere_else() -> None:
    ours = re.compile("|".join(rf"\b{kind}\b" for kind in KINDS if "-" in kind))
    # The page's own event stream has names of its own, two of which are the same.
    but = {
        "app/announcements.py",
        "web/batches/stream.py",
        "web/routes/batches.py",
        "tests/faults/test_web_processes.py",
        "tests/integration/web/openapi/test_shapes.py",
        "tests/integration/web/batches/test_feed.py",
        "tests/integration/web/batches/test_stream.py",
        "tests/unit/app/client/test_remote.py",
    }
    written = [
        f"{path.relative_to(ROOT)}: {node.value}"
        for package in ("app", "tasks", "autoscaler", "web", "tests")
        for path in (ROOT / package).rglob("*.py")
        if str(path.relative_to(ROOT)) not in but
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ours.fullmatch(node.value)
    ]
    assert written == []
