"""The bundles of both tiers, with the model that the settings name; it is built if it is not there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from app.deploy.bundle import TIERS, Bundle, build
from app.deploy.wheels import Target
from app.errors import ConfigurationError
from app.settings import Settings


def make_bundles(settings: Settings, target: Target, say: Callable[[str], object]) -> dict[str, Bundle]:
    """Make the bundle of each tier in the data directory.

    Args:
        settings: the model, and where models and bundles are kept.
        target: what the hosts run.
        say: is told each step as it begins.

    Returns:
        The bundles by their tier's name.

    Raises:
        ConfigurationError: the model can't be built, or a package has no locked version or no wheel.
    """
    say(f"model {settings.engine.model}")
    command = [sys.executable, "-m", "tasks.engine", "build", settings.engine.model]
    # Its own lines tell why it failed; all of them go where errors do.
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        raise ConfigurationError(f"the model {settings.engine.model!r} could not be built; above is why")
    data = Path(settings.local.data_dir)
    made = {}
    for tier in TIERS.values():
        say(f"bundle of {tier.name} for {target}")
        model = settings.models / settings.engine.model
        made[tier.name] = build(tier, target, data / "bundles", wheels=data / "wheels", model=model)
    return made
