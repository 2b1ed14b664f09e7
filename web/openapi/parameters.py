"""What a request may say in its address and its headers: each parameter reads itself, and describes what it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from flask import request
from werkzeug.exceptions import BadRequest

Where = Literal["query", "header"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter that may be left out.

    Attributes:
        name: as it is in the request.
        says: what it is for.
        where: the address's query, or a header.
    """

    name: str
    says: str
    where: Where = "query"

    def described(self) -> dict[str, Any]:
        """Return it as OpenAPI has it."""
        return {"name": self.name, "in": self.where, "description": self.says, "schema": self.schema()}

    def schema(self) -> dict[str, Any]:
        """Return what its value may be, as JSON Schema."""
        raise NotImplementedError

    def given(self) -> str | None:
        """Return the current request's value; None if it has none."""
        values = request.headers.getlist(self.name) if self.where == "header" else request.args.getlist(self.name)
        if len(values) > 1:
            raise self._wrong(f"must be given once, not {len(values)} times")
        return values[0] if values else None

    def _wrong(self, how: str) -> BadRequest:
        kind = "header" if self.where == "header" else "parameter"
        return BadRequest(f"the {kind} {self.name} {how}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Parameter):
    """A whole number between two others, both of which it may be."""

    least: int
    most: int
    default: int

    def schema(self) -> dict[str, Any]:
        """Return what its value may be, as JSON Schema."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most, "default": self.default}

    def read(self) -> int:
        """Return the current request's value.

        Raises:
            BadRequest: it is no such number.
        """
        text = self.given()
        if text is None:
            return self.default
        if not (text.isascii() and text.isdigit() and len(text) < 20 and self.least <= int(text) <= self.most):
            raise self._wrong(f"must be a whole number from {self.least} to {self.most}")
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Parameter):
    """A text, empty unless it is given.

    Attributes:
        longest: how many characters it may have.
        pattern: what all of it must match, if it is given; nothing for any text.
    """

    longest: int = 200
    pattern: str = ""

    def schema(self) -> dict[str, Any]:
        """Return what its value may be, as JSON Schema."""
        return {
            "type": "string",
            "maxLength": self.longest,
            **({"pattern": f"^({self.pattern})$"} if self.pattern else {}),
        }

    def read(self) -> str:
        """Return the current request's value.

        Raises:
            BadRequest: it is too long, or of another form.
        """
        text = self.given()
        if text is None:
            return ""
        if len(text) > self.longest:
            raise self._wrong(f"must have at most {self.longest} characters")
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise self._wrong(f"must be of the form {self.pattern}")
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Parameter):
    """One of some words; the first unless it is given."""

    words: tuple[str, ...]

    def schema(self) -> dict[str, Any]:
        """Return what its value may be, as JSON Schema."""
        return {"type": "string", "enum": list(self.words), "default": self.words[0]}

    def read(self) -> str:
        """Return the current request's value.

        Raises:
            BadRequest: it is none of the words.
        """
        word = self.given()
        if word is None:
            return self.words[0]
        if word not in self.words:
            raise self._wrong(f"must be one of {', '.join(self.words)}")
        return word
