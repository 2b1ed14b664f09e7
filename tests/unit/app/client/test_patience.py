"""How long a client tries again."""

from __future__ import annotations

import threading

import pytest

from app.client import patience as module
from app.client.patience import Busy, Lost, Patience
from app.errors import TransientError
from tests.support.waiting import wait_for


class Answers:
    """Raises what it is told, in order, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    def __call__(self) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return "answered"


def test_what_may_pass_is_asked_for_again_and_both_ends_of_it_are_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.0)
    said: list[str] = []
    patience = Patience("http://here", 60, said.append)

    assert patience.until_answered(Answers(TransientError("one"), TransientError("two"))) == "answered"
    assert said == ["no answer from http://here (one); trying again for up to 60 s", "http://here answers again"]


def test_a_server_that_says_when_is_asked_no_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.0)
    paused: list[float] = []

    class Watched(Patience):
        def pause(self, seconds: float) -> None:
            paused.append(seconds)

    busy = Answers(Busy("slower", 7), TransientError("busy"))
    assert Watched("http://here", 60, lambda text: None).until_answered(busy) == "answered"
    assert 7 <= paused[0] <= 7 * 1.6
    assert paused[1] == 0


def test_at_the_end_whoever_waits_gives_up_at_once() -> None:
    said: list[str] = []
    patience = Patience("http://here", 600, said.append)
    ended: list[Exception] = []

    def call() -> None:
        try:
            patience.until_answered(Answers(Busy("slower", 500), TransientError("never asked")))
        except Lost as err:
            ended.append(err)

    thread = threading.Thread(target=call)
    thread.start()
    wait_for(lambda: said, 10)
    patience.end()
    thread.join(10)
    assert [str(err) for err in ended] == ["given up"]
