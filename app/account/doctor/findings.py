"""What the doctor found: one line for each thing that was looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from app.errors import ElastiqError


class State(StrEnum):
    """How it is with something; what could not be told is no failure."""

    OK = "ok"
    FAIL = "FAIL"
    UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and in words what is so, or what to do."""

    what: str
    state: State
    says: str

    def to_json(self) -> dict[str, str]:
        """Return it for programs."""
        return {
            "what": self.what,
            "state": "unknown" if self.state is State.UNKNOWN else self.state.value,
            "says": self.says,
        }

    def __str__(self) -> str:
        return f"{self.state:<4}  {self.what}: {self.says}"


def well(what: str, says: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(what, State.OK, says)


def bad(what: str, says: str) -> Finding:
    """Return that something is not as it should be."""
    return Finding(what, State.FAIL, says)


def unknown(what: str, says: str) -> Finding:
    """Return that nobody can tell."""
    return Finding(what, State.UNKNOWN, says)


def asked(what: str, ask: Callable[[], Finding]) -> Finding:
    """Return what ``ask`` finds; an error of ours is a finding too, whose message says what to do."""
    try:
        return ask()
    except ElastiqError as err:
        return bad(what, str(err))
