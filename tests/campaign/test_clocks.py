"""The clocks of a campaign's hosts: each may be set alone, and all sleep together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.campaign.clocks import Clocks

LOOK = "import time; print(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic())"


@pytest.fixture
def clocks(tmp_path: Path) -> Clocks:
    if not shutil.which("gcc") and not os.environ.get("CI"):
        pytest.skip("gcc is missing: apt-get install gcc libc6-dev")
    return Clocks(tmp_path / "clocks", ("web", "worker"))


def ahead(clocks: Clocks, host: str) -> list[int]:
    """Return how far a host's wall clock, its time since the boot and its monotonic clock are ahead, to the minute."""
    told = subprocess.check_output([sys.executable, "-c", LOOK], env={**os.environ, **clocks.environment(host)})
    here = (time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic())
    return [round((there - now) / 60) for there, now in zip(map(float, told.split()), here, strict=True)]


def test_a_clock_that_is_set_is_wrong_for_its_host_alone(clocks: Clocks) -> None:
    clocks.step("web", -3600)

    assert ahead(clocks, "web") == [-60, 0, 0]
    assert ahead(clocks, "worker") == [0, 0, 0]


def test_after_a_sleep_every_host_is_ahead_and_the_campaign_knows_its_own_time(clocks: Clocks) -> None:
    before = clocks.now()
    clocks.step("web", 3600)
    clocks.sleep(2400)

    assert ahead(clocks, "web") == [100, 40, 0]
    assert ahead(clocks, "worker") == [40, 40, 0]
    assert clocks.real(before - 60) == before - 60
    assert clocks.real(clocks.now()) == pytest.approx(time.time(), abs=60)
