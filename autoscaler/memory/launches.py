"""When instances were launched, by one's own clock: EC2's may be ahead, and an age below nothing helps nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.domain import Instance

# An instance that was not seen for so long does not come back.
FORGOTTEN = timedelta(hours=1)


@dataclass(slots=True)
class Launches:
    """Knows of each instance when it was launched and when it was seen last."""

    _known: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    def launched(self, instances: Iterable[Instance], at: datetime) -> None:
        """Take note of instances that were launched at a time."""
        self._known.update({instance.id: (at, at) for instance in instances})

    def dated(self, fleet: Iterable[Instance], at: datetime) -> tuple[Instance, ...]:
        """Return a fleet with its launch times by one's own clock.

        One that somebody else launched is taken at its word, but was not launched after it was first seen.
        """
        for instance in fleet:
            launched_at, _ = self._known.get(instance.id, (min(instance.launched_at, at), at))
            self._known[instance.id] = launched_at, at
        self._known = {id: known for id, known in self._known.items() if at - known[1] < FORGOTTEN}
        return tuple(replace(instance, launched_at=self._known[instance.id][0]) for instance in fleet)
