"""Sweeping round after round, whatever one part of it meets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from app.account.dead_letters import DeadLetters
from app.errors import TransientError
from app.settings import Settings
from autoscaler.sweep.rounds import Sweep, Swept
from tasks.celery import make_app


@pytest.mark.parametrize(
    ("error", "reason", "unforeseen"),
    [(TransientError("no answer"), "no answer", False), (KeyError("x"), "KeyError: 'x'", True)],
)
def test_what_one_part_meets_is_told_and_the_others_are_done(
    config: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str, unforeseen: bool
) -> None:
    def count(letters: DeadLetters) -> int:
        raise error

    monkeypatch.setattr(DeadLetters, "count", count)
    sweep = Sweep(config, make_app(config))
    with capture_logs() as logs:
        assert sweep.round(0.0, datetime.now(UTC)) == Swept()
    (told,) = logs
    assert (told["event"], told["part"], told["reason"]) == ("sweep_failed", "dead_letters", reason)
    assert told["exc_info"] == unforeseen
