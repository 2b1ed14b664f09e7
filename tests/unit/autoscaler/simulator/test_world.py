"""What the simulated world is like."""

from __future__ import annotations

from dataclasses import fields

from app.settings import Settings
from autoscaler.simulator.world import World, harsh


def test_a_harsh_world_is_as_fast_and_has_all_that_goes_wrong() -> None:
    kind = World(rate=2.0, boot_s=40.0, failing_boots=0.1)
    bad = harsh(kind)
    changed = {field.name for field in fields(World) if getattr(kind, field.name) != getattr(bad, field.name)}
    assert changed == {"poll_s", "power_off_s", "lag_s", "slow_boots", "fails_late", "disorder"}


def test_a_receive_waits_as_long_as_ours_do() -> None:
    assert harsh(World(rate=2.0)).poll_s == Settings.from_environment({}).worker.poll_wait_s
