"""What holds launches back: told in the log and to CloudWatch, and kept on a real bucket for `elastiq status`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.account.status import Finding, look
from app.brakes import Brake
from app.domain import QueueDepth
from app.settings import Settings
from autoscaler.brakes import AGAIN, Brakes, Kept
from autoscaler.values import FailedBoots, Limits, Observation

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WELL = Observation(at=NOON, depth=QueueDepth(0, 0, 0), counted_at=NOON, fleet=(), listed_at=NOON)
HELD = {
    Brake.BREAKER: {"failed_boots": FailedBoots(3, NOON, NOON)},
    Brake.BUDGET: {"spent_h": 24.0},
    Brake.SPOT: {"spot_resting": True},
}
LIMITS = Limits(19, budget_h=24.0)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


@pytest.mark.parametrize(
    ("brake", "begins", "ends"),
    [
        (Brake.BREAKER, "breaker_open", "breaker_closed"),
        (Brake.BUDGET, "budget_used_up", "budget_anew"),
        (Brake.SPOT, "spot_interrupted", "spot_again"),
    ],
)
def test_each_is_logged_once_as_it_begins_and_once_as_it_ends(
    brake: Brake, begins: str, ends: str, logs: list[Any]
) -> None:
    brakes = Brakes()
    for seen in (WELL, replace(WELL, **HELD[brake]), replace(WELL, **HELD[brake]), WELL, WELL):
        brakes.look(seen, LIMITS)
    assert [entry["event"] for entry in logs] == [begins, ends]
    assert logs[0]["reason"] == brake.says


def test_while_one_holds_a_line_a_minute_has_it_as_a_metric_and_then_none(logs: list[Any]) -> None:
    brakes = Brakes("elastiq")
    held = replace(WELL, **HELD[Brake.BREAKER])
    for after in (timedelta(), AGAIN / 2, AGAIN, 1.5 * AGAIN):
        brakes.look(replace(held, at=NOON + after), LIMITS)
    brakes.look(replace(WELL, at=NOON + 3 * AGAIN), LIMITS)
    lines = [entry for entry in logs if entry["event"] == "brakes_hold"]
    assert [entry["_aws"]["Timestamp"] for entry in lines] == [
        NOON.timestamp() * 1000,
        (NOON + AGAIN).timestamp() * 1000,
    ]
    (directive,) = lines[0]["_aws"]["CloudWatchMetrics"]
    assert directive["Metrics"] == [{"Name": "BreakerOpen", "Unit": "None"}]
    assert lines[0]["BreakerOpen"] == 1


def launches(config: Settings) -> Finding:
    return look(config)[-1]


def test_status_says_in_words_what_holds_launches_back_and_who_said_so(config: Settings) -> None:
    assert launches(config).well
    kept = Kept(config, "host-1:77")
    kept.note((Brake.BREAKER, Brake.BUDGET), NOON)
    found = launches(config)
    assert not found.well
    assert found.said == f"{Brake.BREAKER.says} {Brake.BUDGET.says} So host-1:77 said at 2026-11-24 12:00 UTC."
    kept.note((Brake.SPOT,), NOON)
    assert launches(config).well
    assert Brake.SPOT.says in launches(config).said
    kept.note((), NOON)
    assert launches(config).said == "nothing holds them back, as host-1:77 said at 2026-11-24 12:00 UTC"


def test_a_new_leader_takes_back_what_the_one_before_it_said_last(config: Settings) -> None:
    Kept(config, "host-1:77").note((Brake.BREAKER,), NOON)
    Kept(config, "host-2:77").note((), NOON)
    assert launches(config).well


def test_a_bucket_that_is_not_there_stops_nothing(config: Settings, logs: list[Any]) -> None:
    Kept(replace(config, buckets=replace(config.buckets, output="elastiq-nobodys")), "host").note((), NOON)
    assert [entry["event"] for entry in logs] == ["brakes_not_kept"]
