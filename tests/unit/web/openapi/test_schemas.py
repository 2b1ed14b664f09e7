"""JSON Schema of Python's types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import jsonschema_rs
import pytest

from web.openapi.schemas import Schemas


class Colour(StrEnum):
    """A colour."""

    RED = "red"


@dataclass
class Point:
    """A point."""

    x: int
    y: float | None


class Tree(TypedDict):
    """A tree.

    What stands here is for readers of the code.
    """

    name: Annotated[str, "What it is called.", {"maxLength": 3}]
    at: Point
    colour: NotRequired[Colour]
    kind: Literal["oak", "elm"]
    children: list[Tree]
    notes: dict[str, Any]


OAK: dict[str, Any] = {"name": "oak", "at": {"x": 1, "y": None}, "kind": "oak", "children": [], "notes": {"any": 1}}


def is_valid(kind: Any, value: object) -> bool:
    schemas = Schemas()
    schema = schemas.of(kind)
    return jsonschema_rs.Draft202012Validator({**schema, "components": {"schemas": schemas.named}}).is_valid(value)


@pytest.mark.parametrize(
    "changed",
    [{}, {"colour": "red"}, {"children": [OAK]}, {"at": {"x": 1, "y": 0.5}}],
    ids=["as it is", "with what it may have", "with itself", "with a number"],
)
def test_what_has_the_fields_of_a_type_is_valid(changed: dict[str, Any]) -> None:
    assert is_valid(Tree, {**OAK, **changed})


@pytest.mark.parametrize(
    "changed",
    [{"name": "aspen"}, {"more": 1}, {"kind": "ash"}, {"colour": "blue"}, {"at": {"x": 1}}, {"children": [{}]}],
    ids=["too long", "another field", "no literal", "no member", "a field too few", "a wrong part"],
)
def test_what_differs_is_not(changed: dict[str, Any]) -> None:
    assert not is_valid(Tree, {**OAK, **changed})


def test_an_object_has_a_name_and_the_first_words_of_its_docstring() -> None:
    schemas = Schemas()
    assert schemas.of(list[Tree]) == {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
    assert list(schemas.named) == ["Tree", "Point"]
    assert schemas.named["Tree"]["description"] == "A tree."
    assert schemas.named["Tree"]["properties"]["name"]["description"] == "What it is called."


def test_two_types_of_one_name_and_what_json_has_not_are_refused() -> None:
    schemas = Schemas()
    schemas.of(Point)
    other = dataclass(type("Point", (), {"__annotations__": {"z": int}}))
    with pytest.raises(TypeError, match="two types are named 'Point'"):
        schemas.of(other)
    with pytest.raises(TypeError, match="has no schema"):
        schemas.of(set[int])
