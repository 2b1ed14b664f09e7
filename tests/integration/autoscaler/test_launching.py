"""Launching when answers are lost or refused: nothing starts twice, and a refusal is the end of its token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.errors import ConfigurationError, ElastiqError, TransientError
from app.settings import Settings
from autoscaler.fleet import NotLaunched
from autoscaler.launching import UNSETTLED, Launcher
from autoscaler.observe import Observer
from tests.support.failing import Failing

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def launched(config: Settings, error: Exception, pause: timedelta) -> list[tuple[int, str]]:
    """Launch 3, which fails, and 5 after a pause; return what the fleet was asked for."""
    fleet = Failing(error)
    launcher = Launcher(fleet, Observer(config, fleet))
    with pytest.raises(type(error)):
        launcher.launch(3, NOON)
    launcher.launch(5, NOON + pause)
    return fleet.asked


def test_a_launch_whose_answer_was_lost_is_asked_for_again_as_it_was(config: Settings) -> None:
    first, again = launched(config, TransientError("no answer"), timedelta(seconds=2))
    assert first == again


def test_after_a_while_the_fleet_s_list_has_told_what_it_did(config: Settings) -> None:
    first, next_one = launched(config, TransientError("no answer"), UNSETTLED + timedelta(seconds=1))
    assert first[1] != next_one[1]
    assert next_one[0] == 5


@pytest.mark.parametrize("error", [NotLaunched("no room"), ConfigurationError("no such template")])
def test_a_launch_that_was_refused_is_over(config: Settings, error: ElastiqError) -> None:
    first, next_one = launched(config, error, timedelta(seconds=2))
    assert first[1] != next_one[1]
    assert next_one[0] == 5
