"""The fields of an event, read strictly: each is what was asked for, or an error that names it by its path."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import MalformedAnnouncement
from app.fields import GREATEST, LATEST, LONGEST_NAME, LONGEST_TEXT, MOST, Fields

# Each way to read one field.
READ: dict[str, Any] = {
    name: lambda fields, name=name: getattr(fields, name)("x")
    for name in (
        "count",
        "number",
        "moment",
        "time",
        "maybe_number",
        "maybe_time",
        "flag",
        "maybe_flag",
        "name",
        "names",
        "maybe_name",
        "pairs",
        "text",
    )
}
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("read", "value", "result"),
    [
        ("count", 0, 0),
        ("count", GREATEST, GREATEST),
        ("number", -3, -3.0),
        ("number", 2.5, 2.5),
        ("moment", 0, 0.0),
        ("time", 1_800_000_000.5, datetime(2027, 1, 15, 8, 0, 0, 500_000, UTC)),
        ("maybe_number", None, None),
        ("maybe_number", 7, 7.0),
        ("maybe_time", None, None),
        ("maybe_time", 0, datetime(1970, 1, 1, tzinfo=UTC)),
        ("flag", False, False),
        ("maybe_flag", True, True),
        ("name", "n" * LONGEST_NAME, "n" * LONGEST_NAME),
        ("text", "é" * LONGEST_TEXT, "é" * LONGEST_TEXT),
        ("names", ["a", ""], ("a", "")),
        ("maybe_name", None, None),
        ("maybe_name", "n", "n"),
        ("pairs", [[1, 2], [0, GREATEST]], [(1, 2), (0, GREATEST)]),
        ("names", [""] * MOST, ("",) * MOST),
    ],
)
def test_a_field_is_read_as_what_it_is_asked_for(read: str, value: object, result: object) -> None:
    found = READ[read](Fields({"x": value}))

    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("read", "value", "words"),
    [
        ("count", -1, "x is no count"),
        ("count", 1.0, "x is no count"),
        ("count", True, "x is no count"),
        ("pairs", [[1]], "x is no list of pairs"),
        ("pairs", [[1, 2.0]], "x is no list of pairs"),
        ("pairs", [[1, -2]], "x is no list of counts"),
        ("count", GREATEST + 1, "x is no count"),
        ("number", True, "x is no number"),
        ("number", float("nan"), "x is no number"),
        ("number", float("-inf"), "x is no number"),
        ("number", GREATEST + 1, "x is no number, or too large a one"),
        ("number", "3", "x is no number"),
        ("maybe_number", "", "x is no number"),
        ("moment", -0.1, "x is no time of this century"),
        ("moment", LATEST, "x is no time of this century"),
        ("maybe_time", LATEST, "x is no time of this century"),
        ("flag", 1, "x is neither true nor false"),
        ("maybe_flag", None, "x is neither true nor false"),
        ("name", "n" * (LONGEST_NAME + 1), f"x is no text of at most {LONGEST_NAME} characters"),
        ("text", "n" * (LONGEST_TEXT + 1), f"x is no text of at most {LONGEST_TEXT} characters"),
        ("text", b"bytes", "x is no text"),
        ("text", "half of \ud83d", "x is no text"),
        ("names", "abc", "x is no list"),
        ("names", ["a", 5], "x is no text"),
        ("names", [""] * (MOST + 1), "x is no list, or too long a one"),
    ],
)
def test_a_field_that_is_something_else_is_named(read: str, value: object, words: str) -> None:
    with pytest.raises(MalformedAnnouncement, match=words):
        READ[read](Fields({"x": value}))


@pytest.mark.parametrize("read", sorted(READ.keys() - {"maybe_flag", "maybe_name"}))
def test_a_field_must_be_there(read: str) -> None:
    with pytest.raises(MalformedAnnouncement, match="x is missing"):
        READ[read](Fields({"y": None}))


@pytest.mark.parametrize("data", [None, 5, "text", [], [("x", 1)]])
def test_what_is_no_object_has_no_fields(data: object) -> None:
    with pytest.raises(MalformedAnnouncement, match="the event is no object"):
        Fields(data)


def test_an_inner_field_is_named_by_its_path() -> None:
    event = Fields({"depth": {"visible": -1}, "fleet": [{"id": "a"}, {"id": 5}], "odd": [{}, "x"], "flat": 7})

    with pytest.raises(MalformedAnnouncement, match=r"^depth\.visible is no count"):
        event.part("depth").count("visible")
    first, second = event.parts("fleet")
    assert first.name("id") == "a"
    with pytest.raises(MalformedAnnouncement, match=r"^fleet\[1\]\.id is no text"):
        second.name("id")
    with pytest.raises(MalformedAnnouncement, match=r"^odd\[1\] is no object"):
        event.parts("odd")
    with pytest.raises(MalformedAnnouncement, match=r"^flat is no object"):
        event.part("flat")
    assert str(second.wrong("state")) == "fleet[1].state is none that we know"


@given(ODD, st.sampled_from(sorted(READ)))
def test_whatever_a_field_holds_it_is_read_or_refused_and_nothing_else(value: object, read: str) -> None:
    with suppress(MalformedAnnouncement):
        READ[read](Fields({"x": value}))


def test_a_flag_that_an_older_version_does_not_send_is_false() -> None:
    assert Fields({}).maybe_flag("x") is False
