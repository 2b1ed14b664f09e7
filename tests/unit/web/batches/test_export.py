"""Batches as tables."""

from __future__ import annotations

import csv
import io

import pytest

from app.domain import Classification, Failure, Prediction
from web.batches.batch import Image
from web.batches.export import as_csv


def table(*images: Image) -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(as_csv(images)), newline="")))


def test_each_image_is_a_line_under_the_header() -> None:
    cat = Classification.of('b/my "best", cat.jpg', [Prediction("tabby", 0.9123456789)], "m")
    assert table(Image(cat.key, cat), Image("b/2.jpg", Failure.of("b/2.jpg", "too large")), Image("b/3.jpg", None)) == [
        ["filename", "label", "score", "state", "reason"],
        ['my "best", cat.jpg', "tabby", "0.912346", "done", ""],
        ["2.jpg", "", "", "failed", "too large"],
        ["3.jpg", "", "", "waiting", ""],
    ]


def test_lines_end_as_the_standard_says() -> None:
    assert "".join(as_csv([])) == "filename,label,score,state,reason\r\n"


@pytest.mark.parametrize("name", ["=1+1.jpg", "+1.jpg", "-1.jpg", "@SUM(A1).jpg", '=HYPERLINK("http:..").jpg'])
def test_no_name_becomes_a_formula_in_a_spreadsheet(name: str) -> None:
    assert table(Image(f"b/{name}", None))[1][0] == "'" + name
