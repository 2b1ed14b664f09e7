from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.process import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def test_json_is_one_object_a_line_with_event_fields_time_level_and_logger() -> None:
    out = io.StringIO()
    logs.configure("json", out)

    structlog.get_logger("autoscaler").info("scaled_out", wanted=3, why="line\nbreak")

    (line,) = out.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("timestamp").endswith("Z")
    assert found == {"event": "scaled_out", "wanted": 3, "why": "line\nbreak", "level": "info", "logger": "autoscaler"}


def test_what_the_standard_library_logs_has_the_same_form() -> None:
    out = io.StringIO()
    logs.configure("json", out)

    logging.getLogger("library").warning("lost %s of %d", "b/猫.png", 2)

    found = json.loads(out.getvalue())
    assert (found["event"], found["level"], found["logger"]) == ("lost b/猫.png of 2", "warning", "library")


@pytest.mark.parametrize("source", [structlog.get_logger, logging.getLogger])
def test_an_exception_is_in_its_line_with_its_traceback(source: object) -> None:
    out = io.StringIO()
    logs.configure("json", out)

    try:
        raise ValueError("the cause")
    except ValueError:
        source("x").exception("failed")  # type: ignore[operator]

    (line,) = out.getvalue().splitlines()
    assert "Traceback" in json.loads(line)["exception"]
    assert "ValueError: the cause" in json.loads(line)["exception"]


def test_fields_bound_to_a_context_are_in_each_of_its_lines() -> None:
    out = io.StringIO()
    logs.configure("json", out)

    with structlog.contextvars.bound_contextvars(instance="i-1"):
        structlog.get_logger("x").info("inside")
    structlog.get_logger("x").info("outside")

    inside, outside = map(json.loads, out.getvalue().splitlines())
    assert inside["instance"] == "i-1"
    assert "instance" not in outside


def test_text_cannot_forge_a_line_nor_steer_a_terminal() -> None:
    out = Terminal()
    logs.configure("auto", out)

    structlog.get_logger("web").info("image_failed", key="a\n2026 [info] forged \x1b[2J.png")

    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b[2J" not in out.getvalue()
    assert "image_failed" in out.getvalue()


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("text", io.StringIO, False),
        ("json", Terminal, True),
    ],
)
def test_auto_is_text_at_a_terminal_and_json_elsewhere(
    log_format: str, stream: type[io.StringIO], is_json: bool
) -> None:
    out = stream()
    logs.configure(log_format, out)

    structlog.get_logger("x").info("started")

    assert out.getvalue().startswith("{") == is_json


def test_configuring_twice_does_not_double_the_lines() -> None:
    out = io.StringIO()
    logs.configure("json", out)
    logs.configure("json", out)

    logging.getLogger("x").info("once")

    assert len(out.getvalue().splitlines()) == 1


def test_the_chatter_of_libraries_is_left_out_but_not_their_warnings() -> None:
    out = io.StringIO()
    logs.configure("json", out)

    for name in ("botocore", "boto3", "urllib3", "PIL"):
        logging.getLogger(f"{name}.part").info("chatter")
        logging.getLogger(f"{name}.part").warning("trouble")
    structlog.get_logger("x").debug("detail")

    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["trouble"] * 4
