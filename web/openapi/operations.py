"""What a route says of itself: what it takes, and what it answers with, beside what every route may answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from web.openapi.parameters import Parameter

View = TypeVar("View", bound=Callable[..., Any])

JSON, EVENTS, PLAIN, PAGE = "application/json", "text/event-stream", "text/plain", "text/html"
LINK = {"Link": "Where the next page is, with `rel=next`; none behind the last."}
_SAID = "operation"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        says: when it comes.
        shape: the type of its JSON, for `web.openapi.schemas`.
        media: its content types; none if it has no content.
        headers: what it has beside the headers of every answer, each with what that says.
        at_times: headers that it has at times, in the same way.
        events: of a stream, the type of each event's JSON.
    """

    says: str
    shape: Any = str
    media: tuple[str, ...] = (JSON,)
    headers: Mapping[str, str] = field(default_factory=dict)
    at_times: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """What may be sent, by content type; each a JSON Schema, or a type that has one.

    Attributes:
        required: whether something must be.
    """

    says: str
    content: Mapping[str, Any]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and answers with.

    Attributes:
        answers: by status.
        problems: the statuses of the problems that it may answer with, beside those of every route.
        takes: its parameters, but for those in its path.
        body: what may be sent to it.
    """

    answers: Mapping[int, Answer]
    problems: Sequence[int] = ()
    takes: Sequence[Parameter] = ()
    body: Body | None = None


# A route that says nothing of itself.
UNSAID = Operation({200: Answer("Done.", media=("*/*",))})


def operation(
    answers: Mapping[int, Answer],
    problems: Sequence[int] = (),
    takes: Sequence[Parameter] = (),
    body: Body | None = None,
) -> Callable[[View], View]:
    """Have a view say what it takes and answers with; see `Operation`."""

    def say(view: View) -> View:
        setattr(view, _SAID, Operation(answers, problems, takes, body))
        return view

    return say


def said_by(view: Callable[..., Any]) -> Operation:
    """Return what a view says, through what is wrapped around it with `functools.wraps` too."""
    said = getattr(view, _SAID, UNSAID)
    assert isinstance(said, Operation)
    return said
