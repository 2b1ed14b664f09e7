"""Launching, so that an answer that is lost launches nothing twice."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.errors import ConfigurationError, ElastiqError
from autoscaler.fleet import Fleet, NotLaunched
from autoscaler.observe import Observer

UNSETTLED = timedelta(minutes=5)
# Before the next launch where one's answer was lost, the first time.
LOST_PAUSE_S = 2.0
# Before the next launch where one was refused for good, the first time.
REFUSED_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class _Launch:
    count: int
    token: str
    at: datetime


class Launcher:
    """Launches in a fleet, and has the observer take note of what came of it."""

    def __init__(self, fleet: Fleet, observer: Observer) -> None:
        self._fleet, self._observer = fleet, observer
        self._unsettled: _Launch | None = None

    def launch(self, count: int, at: datetime) -> list[str]:
        """Return the ids of what came, launched under the old token while it is unknown what the last launch did.

        The old launch asks for the old count, which cannot break the ceiling, as nothing else is launched before it is
        settled. After a while the fleet's own list has told what it did.

        Raises:
            ElastiqError: none came, or nobody knows.
        """
        if self._unsettled is None or at - self._unsettled.at > UNSETTLED:
            self._unsettled = _Launch(count, uuid.uuid4().hex, at)
        launch = self._unsettled
        try:
            came = self._fleet.launch(launch.count, launch.token)
        except (NotLaunched, ConfigurationError) as err:
            self._unsettled = None
            self._observer.refused(str(err), err.pause_s if isinstance(err, NotLaunched) else REFUSED_PAUSE_S)
            raise
        except ElastiqError as err:  # what became of it is unknown: it is asked again, but not at once
            self._observer.refused(str(err), LOST_PAUSE_S)
            raise
        self._unsettled = None
        self._observer.launched(came)
        return [instance.id for instance in came]
