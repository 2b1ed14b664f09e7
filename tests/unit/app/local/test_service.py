"""The log of a child process, followed, whatever the child writes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.local.service import LogFile, of_note
from app.process import logs

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
names = st.sampled_from(["event", "level", "self", "exc_info", "stack_info", "_record", "logger", "args"]) | st.text()
GOOD = {"event": "scaled_out", "level": "info", "launched": ["a"]}


class Log:
    """A log that a child writes, and one who follows it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = LogFile(path)

    def write(self, *parts: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(parts))

    def news(self) -> list[dict[str, Any]]:
        return list(self.file.news())


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "logs" / "web.log")


@pytest.fixture(params=["text", "json"])
def out(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What this process logs, in either form."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(request.param, stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def line(record: object) -> bytes:
    return json.dumps(record).encode() + b"\n"


def test_what_is_new_is_told_once_and_what_was_there_before_is_not(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_bytes(line({"event": "old"}))
    log = Log(tmp_path / "web.log")
    log.write(line({"event": "one"}), line({"event": "two"}))
    assert [record["event"] for record in log.news()] == ["one", "two"]
    assert log.news() == []


def test_half_a_line_is_told_once_it_is_whole(log: Log) -> None:
    text = line(GOOD)
    log.write(text[:9])
    assert log.news() == []
    log.write(text[9:])
    assert log.news() == [GOOD]


@pytest.mark.parametrize(
    "text",
    [
        b"{this begins like JSON\n",
        b'{"event": "cut\n',
        b"{\n",
        b"[1, 2]\n",
        b"7\n",
        b"null\n",
        b"\xff\xfe{\x00\n",
        b'{"a": ' * 50_000 + b"\n",
        b'{"event": "' + b"x" * 10_000_000 + b'"}\n',
        b"Traceback (most recent call last):\n  {\n",
    ],
    ids=["no JSON", "cut", "a brace", "list", "number", "null", "binary", "deep", "huge", "traceback"],
)
def test_a_line_that_is_no_record_is_passed_over_and_the_next_one_is_told(log: Log, text: bytes) -> None:
    log.write(text, line(GOOD))
    assert log.news() == [GOOD]


def test_a_line_without_end_is_not_read_again_at_each_look(log: Log) -> None:
    log.write(b"{" * 1_000_000)
    assert log.news() == []
    log.write(b"{" * 50, b"\n", line(GOOD))
    assert log.news() == [GOOD]


def test_a_log_that_somebody_empties_or_takes_away_is_followed_all_the_same(log: Log) -> None:
    log.write(line(GOOD), line(GOOD))
    assert len(log.news()) == 2
    log.path.write_bytes(line(GOOD))
    assert log.news() == [GOOD]
    log.path.unlink()
    assert (log.news(), log.file.end()) == ([], "")
    log.write(b"")
    assert log.news() == []
    log.write(line(GOOD))
    assert log.news() == [GOOD]


def test_the_end_is_its_last_lines_however_long_it_is(log: Log) -> None:
    log.write(b"\xff" * 5_000_000, b"\n", *(f"{n}\n".encode() for n in range(20)))
    assert log.file.end(lines=3) == "17\n18\n19"


@given(st.lists(st.binary() | st.dictionaries(names, values).map(line)))
def test_no_line_is_fatal(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    log = Log(tmp_path_factory.mktemp("logs") / "web.log")
    log.write(*lines, b"\n", line(GOOD))
    assert log.news()[-1] == GOOD


def test_every_warning_and_what_changes_the_fleet_are_of_note_with_their_fields() -> None:
    assert of_note(GOOD) == (logging.INFO, "scaled_out", {"launched": ["a"]})
    assert of_note({"event": "held", "level": "warning", "logger": "x"}) == (logging.WARNING, "held", {})
    assert of_note({"event": "autoscaler_started", "level": "info"}) is None


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"event": ["scaled_out"]},
        {"event": "x", "level": {"warning": 1}},
        {"event": None, "level": "error"},
    ],
)
def test_a_record_without_event_or_level_as_ours_have_them_is_not_of_note(record: dict[str, Any]) -> None:
    assert of_note(record) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"self": 1, "exc_info": True, "stack_info": "x", "_record": 1, "_from_structlog": 1, "positional_args": [1]},
        {"deep": json.loads("[" * 900 + "]" * 900)},
        {"event": "a\ud800b\x1b[31m\nforged"},
    ],
    ids=["a logger's own names", "deep", "text that no terminal takes"],
)
def test_whatever_a_record_holds_it_is_repeated_in_one_line(fields: dict[str, Any], out: io.StringIO) -> None:
    found = of_note({"event": "trouble", "level": "error", "reason": "why", **fields})
    assert found is not None
    level, event, kept = found
    structlog.get_logger("web").log(level, event, **kept)
    assert len(out.getvalue().splitlines()) == 1
    assert "why" in out.getvalue()
    assert "\x1b[31m" not in out.getvalue()
