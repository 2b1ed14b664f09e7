"""A time that the test moves."""

from __future__ import annotations


class Clock:
    """Returns ``now``, in seconds, when it is called; set it to move on."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
