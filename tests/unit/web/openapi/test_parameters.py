"""Parameters: what a request may say is what the document says that it may."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import BadRequest

from web.openapi.parameters import Choice, Text, Whole

LIMIT = Whole(name="limit", says="How many.", least=1, most=500, default=100)
CURSOR = Text(name="after", says="From where.", longest=9, pattern="[a-z]+")
SIZE = Choice(name="size", says="How large.", words=("tile", "large"))
HEADER = Text(name="If-None-Match", says="What is known.", where="header")


def read(parameter: Any, query: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    with Flask("test").test_request_context("/", query_string=query, headers=headers):
        return parameter.read()


def test_each_is_read_and_has_a_default() -> None:
    assert (read(LIMIT, {"limit": "20"}), read(LIMIT, {})) == (20, 100)
    assert (read(CURSOR, {"after": "abc"}), read(CURSOR, {})) == ("abc", "")
    assert (read(SIZE, {"size": "large"}), read(SIZE, {})) == ("large", "tile")
    assert (read(HEADER, {}, {"if-none-match": '"a"'}), read(HEADER, {"If-None-Match": "b"})) == ('"a"', "")


@pytest.mark.parametrize("parameter", [LIMIT, CURSOR, SIZE], ids=lambda parameter: parameter.name)
@given(text=st.text(max_size=12) | st.integers(-5, 600).map(str))
def test_a_value_is_taken_if_its_schema_takes_it(parameter: Any, text: str) -> None:
    value = int(text) if parameter is LIMIT and re.fullmatch(r"-?[0-9]+", text) else text
    described = jsonschema_rs.Draft202012Validator(parameter.described()["schema"])
    if described.is_valid(value):
        assert read(parameter, {parameter.name: text}) == value
    else:
        with pytest.raises(BadRequest, match=parameter.name):
            read(parameter, {parameter.name: text})


def test_one_that_is_given_twice_is_refused() -> None:
    with pytest.raises(BadRequest, match="given once, not 2 times"):
        read(LIMIT, {"limit": ["1", "2"]})


def test_each_says_where_it_is() -> None:
    assert HEADER.described()["in"] == "header"
    assert LIMIT.described() == {
        "name": "limit",
        "in": "query",
        "description": "How many.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
    }
