"""What keeps the autoscaler from launching as it otherwise would, and what that means in words. Pure."""

from __future__ import annotations

from enum import StrEnum

# Where the autoscaler that leads keeps them, in the output bucket: {"brakes": [...], "at": 1.8e9, "leader": "..."}.
KEY = "_autoscaler/brakes"


class Brake(StrEnum):
    """What holds launches back."""

    BREAKER = "breaker"
    BUDGET = "budget"
    SPOT = "spot"

    @property
    def says(self) -> str:
        """Return what it means, for people."""
        return _WORDS[self]

    @property
    def stops(self) -> bool:
        """Return whether images wait because of it."""
        return self is not Brake.SPOT


_WORDS = {
    Brake.BREAKER: "Instances do not come to work: one alone is launched at a time, until one does. "
    "The log of one, and the launch template, tell why.",
    Brake.BUDGET: "The day's budget is used up: nothing is launched before midnight UTC. "
    "Instances that are there work on, and leave when idle.",
    Brake.SPOT: "Too many spot instances were taken back: launches are on demand first, for an hour.",
}


def holding(*, breaker: bool, budget: bool, spot: bool) -> tuple[Brake, ...]:
    """Return those that hold."""
    held = {Brake.BREAKER: breaker, Brake.BUDGET: budget, Brake.SPOT: spot}
    return tuple(brake for brake, holds in held.items() if holds)
