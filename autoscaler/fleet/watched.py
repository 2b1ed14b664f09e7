"""Instances that others start and stop, as docker compose or Kubernetes does: those whose workers are heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NoReturn

from app.domain import Instance, InstanceState
from app.errors import ConfigurationError, TransientError
from app.process.clock import SteadyClock
from autoscaler.listen import Hearing
from autoscaler.policy.deadline import SILENT_S
from autoscaler.values import Voice


class WatchedFleet:
    """The workers that were heard in the last 30 s; each counts as launched when it was first heard.

    Args:
        hearing: what workers say.
        clock: the time, UTC.
    """

    elastic = False
    spot_resting = False

    def __init__(self, hearing: Hearing, clock: Callable[[], datetime] | None = None) -> None:
        self._hearing, self._clock = hearing, clock or SteadyClock()

    def instances(self) -> list[Instance]:
        """Return the instances whose workers are heard, oldest first.

        Raises:
            TransientError: nothing at all is heard, the own events included; that is not the same as no worker.
        """
        heard, now = self._hearing.known(), self._clock()
        last = heard.at or heard.since
        if last is None or (now - last).total_seconds() > SILENT_S:
            raise TransientError(f"no event was heard for {SILENT_S:.0f} s, so nobody knows which workers there are")
        there = {id: voice for id, voice in heard.voices.items() if (now - voice.at).total_seconds() <= SILENT_S}
        return sorted((_instance(id, voice) for id, voice in there.items()), key=lambda one: one.launched_at)

    def launch(self, count: int, token: str) -> list[Instance]:
        """Start nothing.

        Raises:
            ConfigurationError: always.
        """
        _refuse("started")

    def drain(self, ids: Iterable[str]) -> None:
        """Ask nobody to leave.

        Raises:
            ConfigurationError: always.
        """
        _refuse("asked to drain")

    def terminate(self, ids: Iterable[str]) -> None:
        """End nothing.

        Raises:
            ConfigurationError: always.
        """
        _refuse("terminated")


def _instance(id: str, voice: Voice) -> Instance:
    state = InstanceState.DRAINING if voice.leaving else InstanceState.RUNNING
    return Instance(id, state, voice.first_at, voice.at)


def _refuse(what: str) -> NoReturn:
    raise ConfigurationError(f"no instance is {what} under ELASTIQ_WATCH_ONLY=1; whoever runs the workers does that")
