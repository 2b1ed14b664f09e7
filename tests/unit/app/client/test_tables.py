"""Results in files."""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from pathlib import Path

from app.client.result import Result, failure
from app.client.tables import Lines, Table

RESULTS = [Result("=a/1.png", "done", "tabby", 0.5), failure("b.png", "too large")]


def test_a_table_has_a_line_for_each_result_and_no_formula(tmp_path: Path) -> None:
    with Table(tmp_path / "found.csv") as table:
        for result in RESULTS:
            table.add(result)
    with (tmp_path / "found.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["path", "label", "score", "state", "reason"],
            ["'=a/1.png", "tabby", "0.500000", "done", ""],
            ["b.png", "", "", "failed", "too large"],
        ]


def test_what_has_come_is_written_whatever_ends_it(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), Lines(tmp_path / "found.jsonl") as lines:
        lines.add(RESULTS[0])
        raise KeyboardInterrupt
    assert [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()] == [RESULTS[0].to_json()]
