"""Batches as tables."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Classification, Failure, Prediction
from web.batches.batch import Image
from web.batches.export import as_csv, as_lines, as_object


def table(*images: Image) -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(as_csv(images)).removeprefix("\ufeff"), newline="")))


def test_each_image_is_a_line_under_the_header() -> None:
    cat = Classification.of('b/my "best", cat.jpg', [Prediction("tabby", 0.9123456789)], "m")
    assert table(Image(cat.key, cat), Image("b/2.jpg", Failure.of("b/2.jpg", "too large")), Image("b/3.jpg", None)) == [
        ["filename", "label", "score", "state", "reason", "path"],
        ['my "best", cat.jpg', "tabby", "0.912346", "done", "", 'my "best", cat.jpg'],
        ["2.jpg", "", "", "failed", "too large", "2.jpg"],
        ["3.jpg", "", "", "waiting", "", "3.jpg"],
    ]


def test_an_image_s_folders_are_in_a_column_of_their_own() -> None:
    assert table(Image("b/2023/1.jpg", None), Image("b/=2024/1.jpg", None))[1:] == [
        ["1.jpg", "", "", "waiting", "", "2023/1.jpg"],
        ["1.jpg", "", "", "waiting", "", "'=2024/1.jpg"],
    ]


def test_a_table_says_that_it_is_utf_8_and_has_every_cell_in_quotes() -> None:
    assert "".join(as_csv([Image("b/1", None)])) == (
        '\ufeff"filename","label","score","state","reason","path"\r\n"1","","","waiting","","1"\r\n'
    )


@pytest.mark.parametrize(
    "name",
    [
        "=1+1.jpg",
        "+1.jpg",
        "-1.jpg",
        "@SUM(A1).jpg",
        '=HYPERLINK("http:..").jpg',
        "\uff1d1.jpg",
        "\uff0b1",
        "\uff0d1",
        "\uff20A1",
        "  =1",
        "\u3000=1",
    ],
)
def test_no_name_becomes_a_formula_in_a_spreadsheet(name: str) -> None:
    assert table(Image(f"b/{name}", None))[1][0] == "'" + name


def test_nor_does_what_stands_behind_a_semicolon_where_that_begins_a_cell() -> None:
    assert table(Image("b/a;=1; +2;b-3.jpg", None))[1][0] == "a;'=1;' +2;b-3.jpg"


@given(st.text(st.sampled_from("=+-@\uff1d\uff0b\uff0d\uff20;\t\r\n\v\u3000 \"',ab")))
def test_no_text_becomes_a_formula_however_a_spreadsheet_cuts_its_line(text: str) -> None:
    for cell in re.split(r"[;\t\r\n]", table(Image("b/1", Failure.of("b/1", text)))[1][4]):
        assert not cell.strip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20"))


def test_names_that_only_hold_such_characters_stay_as_they_are() -> None:
    assert table(Image("b/2024-01-01 (a+b) = c;d.jpg", None))[1][0] == "2024-01-01 (a+b) = c;d.jpg"


def test_json_and_its_lines_have_each_image_as_the_api_does() -> None:
    images = [Image('b/"a\n".png', None), Image("b/ü.png", Failure.of("b/ü.png", "too large"))]
    told = [image.to_json() for image in images]
    assert json.loads("".join(as_object("b", images))) == {"id": "b", "images": told}
    assert [json.loads(line) for line in "".join(as_lines(images)).splitlines()] == told


def test_a_batch_without_images_is_an_empty_list_and_no_lines() -> None:
    assert json.loads("".join(as_object("b", []))) == {"id": "b", "images": []}
    assert list(as_lines([])) == []
