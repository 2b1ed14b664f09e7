"""What every test waits with."""

from __future__ import annotations

import pytest

from tests.support.waiting import wait_for


def test_what_came_true_is_returned() -> None:
    values = iter([0, None, "it"])
    assert wait_for(lambda: next(values), 10) == "it"


def test_a_wait_in_vain_says_what_for_and_what_it_last_saw() -> None:
    with pytest.raises(AssertionError, match=r"last value was \[\]: a message"):
        wait_for(list, 0, "a message")


def test_how_things_stand_is_asked_only_once_the_wait_was_in_vain() -> None:
    assert wait_for(lambda: True, 0, lambda: pytest.fail("asked too early"))
    with pytest.raises(AssertionError, match="the log says: nothing"):
        wait_for(lambda: False, 0, lambda: "the log says: nothing")
