"""Which fleet the settings describe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from app.errors import ConfigurationError
from app.settings import Settings
from autoscaler.fleet.port import Fleet
from autoscaler.fleet.watched import WatchedFleet
from autoscaler.listen import Hearing


def make_fleet(
    settings: Settings,
    tell: Callable[[list[str]], object],
    hearing: Hearing | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Fleet:
    """Return the fleet that ``settings`` describes.

    It is the workers that are heard, if it may only be watched; EC2 when there is a launch template; this machine
    otherwise.

    Args:
        settings: which it is, and where.
        tell: tells the workers of instances, by id, to leave, where the fleet itself cannot reach them.
        hearing: what workers say; None where they cannot be heard.
        clock: the time, UTC, by which they were heard; a steady one of its own unless given.

    Raises:
        ConfigurationError: it may only be watched, and workers cannot be heard.
    """
    if settings.autoscaler.watch_only:
        if hearing is None:
            raise ConfigurationError("ELASTIQ_WATCH_ONLY=1 needs ELASTIQ_LISTEN=1: workers are known by their events")
        return WatchedFleet(hearing, clock)
    if settings.ec2.launch_template:
        from autoscaler.fleet.ec2 import Ec2Fleet

        return Ec2Fleet(settings, tell, clock, lambda: hearing.interrupted().values() if hearing else ())
    from autoscaler.fleet.processes import LocalFleet

    return LocalFleet(Path(settings.local.data_dir))
