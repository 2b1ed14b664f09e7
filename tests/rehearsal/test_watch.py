"""A part of the stage that breaks ends the rehearsal at once, by its own words."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.rehearsal.identities import Identities
from tests.rehearsal.operator import operator
from tests.rehearsal.watch import Watch, watched


def die(words: str) -> None:
    def broken() -> None:
        raise ValueError(words)

    thread = threading.Thread(target=broken, name="i-1")
    thread.start()
    thread.join()


def test_who_waits_fails_at_once_by_the_words_of_a_thread_that_died() -> None:
    with watched() as watch:
        die("there is no room")

        with pytest.raises(AssertionError, match=r"i-1: (.|\n)*ValueError: there is no room"):
            watch.wait(lambda: False, 600, lambda: "it took too long")


def test_a_command_that_runs_meanwhile_is_ended(tmp_path: Path) -> None:
    with watched() as watch, operator(tmp_path, "http://127.0.0.1:9", Identities().lasting("x"), watch) as person:
        threading.Timer(1, die, ["a host's words"]).start()

        with pytest.raises(AssertionError, match="a host's words"):
            person.run("web")


def test_what_went_well_is_sound() -> None:
    watch = Watch()

    watch.wait(lambda: True, 1, lambda: "")
    watch.sound()
