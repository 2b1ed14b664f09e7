"""The port to where instances run. `ec2` and `processes` implement it, under one suite; `watched` only looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from app.domain import Instance
from app.errors import TransientError


class NotLaunched(TransientError):
    """No instance came, that is certain. A later launch with a token of its own may bring some.

    Args:
        message: why, and what would help.
        pause_s: seconds before it is worth a try, the first time.
    """

    def __init__(self, message: str, pause_s: float = 30.0) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class NoRoom(NotLaunched):
    """There was no room."""


class Fleet(Protocol):
    """The instances of one fleet. Every method raises `TransientError` when the other side does not answer.

    Attributes:
        elastic: whether it starts and stops instances; one that does not is asked for `instances` alone.
        spot_resting: whether spot instances are not asked for first, though they are wanted.
    """

    elastic: bool

    @property
    def spot_resting(self) -> bool:
        """Return whether too many of late were taken back."""

    def instances(self) -> list[Instance]:
        """Return the instances that are pending, running or draining, those just launched included; oldest first."""

    def launch(self, count: int, token: str) -> list[Instance]:
        """Start up to ``count`` instances and return those that came, at least one.

        Args:
            count: how many are wanted; fewer come when there is no room for more.
            token: names this launch. The same token again launches nothing twice: it returns what came.

        Raises:
            NotLaunched: none came; `NoRoom` if there was no room.
            ConfigurationError: none came, and none will before somebody mends what the message says.
            TransientError: some may have come, the answer was lost; try again with the same token.
        """

    def drain(self, ids: Iterable[str]) -> None:
        """Ask instances to finish what they have and leave, by every way there is; one that has gone is passed over.

        Raises the first way's error when each has been tried.
        """

    def terminate(self, ids: Iterable[str]) -> None:
        """End instances that do not answer, at once; what they held comes back to the queue by its lease."""
