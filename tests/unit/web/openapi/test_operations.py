"""What a route says of itself."""

from __future__ import annotations

from functools import wraps

from web.openapi.operations import UNSAID, Answer, operation, said_by


@operation({200: Answer("It is there.")}, problems=(404,))
def view() -> str:
    return "answer"


def test_a_view_says_it_and_stays_what_it_was() -> None:
    assert said_by(view).answers[200].says == "It is there."
    assert said_by(view).problems == (404,)
    assert view() == "answer"


def test_what_is_wrapped_around_a_view_hides_nothing() -> None:
    @wraps(view)
    def wrapped() -> str:
        return view()

    assert said_by(wrapped) is said_by(view)


def test_a_view_that_says_nothing_is_known_to() -> None:
    assert said_by(lambda: "") is UNSAID
