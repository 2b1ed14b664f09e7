"""For how long a worker stays that was told to."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from celery.worker.control import Panel

from app.domain import STAY_COMMAND
from tasks.worker import staying


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    staying.stay(-math.inf)
    yield
    staying.stay(-math.inf)


def test_the_command_of_remote_control_has_it_stay_for_so_many_seconds() -> None:
    before = time.monotonic()
    Panel.data[STAY_COMMAND](None, seconds=120)
    assert before + 120 <= staying.until() <= time.monotonic() + 120


@pytest.mark.parametrize("seconds", [1e9, math.inf])
def test_nobody_can_have_it_stay_for_good(seconds: float) -> None:
    staying.stay(seconds)
    assert staying.until() <= time.monotonic() + staying.LONGEST_S


def test_what_is_told_last_counts() -> None:
    staying.stay(100)
    staying.stay(0)
    assert staying.until() <= time.monotonic()
