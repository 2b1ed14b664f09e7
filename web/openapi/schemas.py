"""JSON Schema (2020-12) of Python's types: what mypy holds the code to is what the document says of an answer. Pure."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null", dict: "object"}


class Schemas:
    """Schemas of types; an object of named fields gets a name, and is referred to.

    Attributes:
        named: those schemas, by name.
    """

    def __init__(self) -> None:
        self.named: dict[str, dict[str, Any]] = {}
        self._kinds: dict[str, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a type; an ``Annotated`` one adds a description, or parts of a schema.

        Args:
            kind: a TypedDict or dataclass, which has no fields but its own; a list, tuple, dictionary by text, Literal,
                union, StrEnum, or what JSON has as it is.

        Raises:
            TypeError: it is anything else.
        """
        origin, parts = get_origin(kind), get_args(kind)
        if kind is Any:
            return {}
        if isinstance(kind, type) and kind in _PLAIN:
            return {"type": _PLAIN[kind]}
        if origin is NotRequired:
            return self.of(parts[0])
        if origin is Annotated:
            return {**self.of(parts[0]), **_added(parts[1:])}
        if origin in (Union, UnionType):
            return {"anyOf": [self.of(part) for part in parts]}
        if origin is Literal:
            return {"enum": list(parts)}
        if origin is list or (origin is tuple and parts[1:] == (...,)):
            return {"type": "array", "items": self.of(parts[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(parts[1])}
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return {"type": "string", "enum": [member.value for member in kind]}
        if is_typeddict(kind) or is_dataclass(kind):
            return self._named(kind)
        raise TypeError(f"{kind!r} has no schema")

    def _named(self, kind: Any) -> dict[str, Any]:
        name = kind.__name__
        if self._kinds.setdefault(name, kind) is not kind:
            raise TypeError(f"two types are named {name!r}")
        if name not in self.named:
            self.named[name] = {}  # It may be a part of itself.
            hints = get_type_hints(kind, include_extras=True)
            self.named[name] = {
                "type": "object",
                "description": (inspect.getdoc(kind) or "").partition("\n\n")[0],
                "properties": {field: self.of(hint) for field, hint in hints.items()},
                "required": [field for field, hint in hints.items() if get_origin(hint) is not NotRequired],
                "additionalProperties": False,
            }
        return {"$ref": f"#/components/schemas/{name}"}


def _added(notes: tuple[Any, ...]) -> dict[str, Any]:
    added: dict[str, Any] = {}
    for note in notes:
        added |= note if isinstance(note, dict) else {"description": note}
    return added
