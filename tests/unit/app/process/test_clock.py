"""A clock that nobody sets."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from app.process.clock import SteadyClock, elapsed_s
from tests.support.clock import Clock

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_it_goes_on_from_the_wall_clocks_time_whatever_becomes_of_that() -> None:
    wall, elapsed = [START], Clock(1000.0)
    steady = SteadyClock(lambda: wall[0], elapsed)
    wall[0] -= timedelta(hours=1)
    elapsed.now += 42
    assert steady() == START + timedelta(seconds=42)


def test_unless_told_it_is_this_hosts_time() -> None:
    before = datetime.now(UTC)
    assert before <= SteadyClock()() <= datetime.now(UTC) + timedelta(seconds=1)


def test_what_has_elapsed_counts_seconds() -> None:
    before = elapsed_s()
    time.sleep(0.05)
    assert elapsed_s() - before >= 0.05
