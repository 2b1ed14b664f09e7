from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.process.objects import parse

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), values))
def test_an_object_survives(found: dict[str, object]) -> None:
    assert parse(json.dumps(found)) == found
    assert parse(json.dumps(found).encode()) == found


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a": ', "[1]", "7", "null", b"\xff\xfe{", b"{\x00}", '{"a": ' * 100_000, "[" * 100_000, "9" * 10_000],
    ids=["nothing", "cut", "cut later", "list", "number", "null", "binary", "zero", "deep", "deep list", "huge number"],
)
def test_anything_else_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@given(st.binary())
def test_no_bytes_raise_anything_but_a_value_error(text: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(parse(text), dict)
