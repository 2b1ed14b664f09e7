"""Staying: an idle worker that the autoscaler keeps for its floor does not leave, for as long as it was told to last.

It is told again and again by remote control; if no autoscaler is there any more, it leaves.
"""

from __future__ import annotations

import math
import time
from typing import Any

from celery.worker.control import control_command

from app.domain import STAY_COMMAND

# However long it is told to.
LONGEST_S = 600.0

_until = -math.inf


def until() -> float:
    """Return the monotonic seconds before which the worker shall not leave though it is idle."""
    return _until


def stay(seconds: float) -> None:
    """Do not leave for lack of work for so many seconds from now on."""
    global _until
    _until = time.monotonic() + min(max(0.0, seconds), LONGEST_S)


@control_command(name=STAY_COMMAND, args=[("seconds", float)])
def _told(state: Any, seconds: float, **_: Any) -> None:
    """Do not leave for lack of work for so many seconds."""
    stay(float(seconds))
