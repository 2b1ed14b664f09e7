"""What `elastiq classify` prints."""

from __future__ import annotations

import io
import json

import pytest

from app.client.report import Report
from app.client.result import Result, failure

DONE = Result("./2023/cat.png", "done", "tabby", 0.5, key="b/2023/cat.png")
FAILED = Result("./2023/cat.png", "failed", reason="damaged", key="b/2023/cat.png")


def test_a_label_goes_to_the_output_with_the_path_that_was_given() -> None:
    lines, objects = io.StringIO(), io.StringIO()
    Report(1, False, lines).show(DONE)
    Report(1, True, objects).show(DONE)
    assert lines.getvalue() == "(./2023/cat.png, tabby)\n"
    assert json.loads(objects.getvalue()) == DONE.to_json()


def test_a_failure_is_counted_and_told_beside_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    lines, objects = io.StringIO(), io.StringIO()
    report = Report(2, False, lines)
    report.show(FAILED)
    report.show(failure("a/b.png", "cannot be read"))
    assert (report.failed, lines.getvalue()) == (2, "")
    Report(1, True, objects).show(failure("a/b.png", "cannot be read"))
    told = json.loads(objects.getvalue())
    assert (told["path"], told["filename"], told["state"]) == ("a/b.png", "b.png", "failed")
    assert capsys.readouterr().err.splitlines()[:2] == ["./2023/cat.png: damaged", "a/b.png: cannot be read"]


def test_what_a_server_says_cannot_act_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Report(1, False, io.StringIO()).note("waiting: \x1b]0;title\x07\r done")
    assert capsys.readouterr().err == "waiting: \ufffd]0;title\ufffd\ufffd done\n"


def test_a_name_that_is_no_text_is_printed_byte_by_byte() -> None:
    raw = io.BytesIO()
    output = io.TextIOWrapper(raw, encoding="utf-8")
    Report(1, False, output).show(Result("caf\udce9.png", "done", "tabby"))
    assert raw.getvalue() == b"(caf\xe9.png, tabby)\n"
