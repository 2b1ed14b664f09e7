"""Who makes the current request, and what he may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import g

from app.access.scopes import OPERATE, READ, SCOPES, SUBMIT

# Of who signs in himself; those that ELASTIQ_OPERATORS names may operate too.
PERSON = frozenset({SUBMIT, READ})


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller.

    Attributes:
        identity: the way by which he is known, and his name there, such as ``keys:alice``; empty where nobody is asked.
        scopes: what he may do.
    """

    identity: str
    scopes: frozenset[str]

    @property
    def sees_all(self) -> bool:
        """Return whether everybody's batches are his to see."""
        return not self.identity or OPERATE in self.scopes


ANYBODY = Caller("", frozenset(SCOPES))


def person(identity: str, operators: frozenset[str]) -> Caller:
    """Return a person as a caller."""
    return Caller(identity, PERSON | {OPERATE} if identity in operators else PERSON)


def caller() -> Caller:
    """Return who makes the current request."""
    return cast(Caller, g.caller)
