"""Steps that are taken again and again, through every error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from app.errors import ConfigurationError, TransientError
from app.process.steps import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, each, repeat


class Waits:
    """Waits for nothing, and says that it is over after so many waits."""

    def __init__(self, over_after: int) -> None:
        self._over_after = over_after
        self.pauses_s: list[float] = []

    def __call__(self, pause_s: float) -> bool:
        self.pauses_s.append(pause_s)
        return len(self.pauses_s) > self._over_after


def breaking(*errors: Exception | None) -> Callable[[], None]:
    """A step that raises these errors one after the other, and none where there is None."""
    left = list(errors)

    def step() -> None:
        error = left.pop(0)
        if error is not None:
            raise error

    return step


def test_steps_are_taken_at_their_pace_until_it_is_over() -> None:
    waits, taken = Waits(over_after=3), []
    paces_s = iter([2.0, 3.0, 4.0])
    repeat(lambda: taken.append(1), waits, lambda: next(paces_s), name="steps")
    assert (len(taken), waits.pauses_s) == (3, [0.0, 2.0, 3.0, 4.0])


def test_the_first_step_may_wait() -> None:
    waits = Waits(over_after=0)
    repeat(breaking(), waits, lambda: 2.0, name="steps", first_s=10.0)
    assert waits.pauses_s == [10.0]


def test_an_error_is_told_with_its_traceback_and_the_next_step_is_taken() -> None:
    waits = Waits(over_after=3)
    with capture_logs() as logs:
        repeat(breaking(None, OSError("the disk is full"), None), waits, lambda: 2.0, name="steps")
    (told,) = logs
    assert (told["event"], told["log_level"], told["of"]) == ("step_broke", "error", "steps")
    assert (told["reason"], told["in_a_row"]) == ("OSError: the disk is full", 1)
    assert told["exc_info"]
    assert len(waits.pauses_s) == 4


def test_an_error_of_our_own_says_by_itself_what_is_wrong() -> None:
    with capture_logs() as logs:
        repeat(breaking(TransientError("no answer")), Waits(over_after=1), lambda: 2.0, name="steps")
    assert [(told["reason"], told["exc_info"]) for told in logs] == [("TransientError: no answer", False)]


def test_the_pause_doubles_with_each_error_in_a_row_up_to_a_bound_and_begins_anew_after_a_good_step() -> None:
    waits = Waits(over_after=8)
    with capture_logs() as logs:
        repeat(breaking(*[KeyError("x")] * 6, None, KeyError("x")), waits, lambda: 0.25, name="steps")
    grown = [SHORTEST_PAUSE_S * 2**n for n in range(4)] + [LONGEST_PAUSE_S] * 2
    assert waits.pauses_s == [0.0, *grown, 0.25, SHORTEST_PAUSE_S]
    assert [told["in_a_row"] for told in logs] == [1, 2, 3, 4, 5, 6, 1]


def test_no_pause_is_shorter_than_the_pace() -> None:
    waits = Waits(over_after=1)
    with capture_logs():
        repeat(breaking(KeyError("x")), waits, lambda: 60.0, name="steps")
    assert waits.pauses_s == [0.0, 60.0]


def test_what_is_fatal_ends_it() -> None:
    with pytest.raises(ConfigurationError, match="ended too often"):
        repeat(
            breaking(ConfigurationError("it ended too often")),
            Waits(over_after=1),
            lambda: 2.0,
            name="steps",
            fatal=(ConfigurationError,),
        )


def test_every_action_is_taken_and_the_first_error_is_raised_at_the_end_and_the_others_are_said() -> None:
    taken: list[str] = []

    def fail(name: str) -> None:
        taken.append(name)
        raise TransientError(name)

    with capture_logs() as logs, pytest.raises(TransientError, match="one"):
        each(lambda: fail("one"), lambda: taken.append("two"), lambda: fail("three"))
    assert taken == ["one", "two", "three"]
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("failed_as_well", "TransientError: three")]


def test_actions_that_succeed_raise_nothing() -> None:
    taken: list[int] = []
    each(lambda: taken.append(1), lambda: taken.append(2))
    assert taken == [1, 2]
