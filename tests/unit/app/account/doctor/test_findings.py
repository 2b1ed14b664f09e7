"""A finding, as people and as programs read it."""

from __future__ import annotations

from app.account.doctor.findings import asked, bad, unknown, well
from app.errors import ConfigurationError


def test_a_finding_is_a_line_for_people_and_an_object_for_programs() -> None:
    assert str(well("clock", "right")) == "ok    clock: right"
    assert str(bad("clock", "wrong")) == "FAIL  clock: wrong"
    assert unknown("clock", "none").to_json() == {"what": "clock", "state": "unknown", "says": "none"}


def test_an_error_of_ours_is_a_finding_with_its_words() -> None:
    def ask() -> None:
        raise ConfigurationError("do this")

    assert asked("bucket", ask) == bad("bucket", "do this")  # type: ignore[arg-type]
