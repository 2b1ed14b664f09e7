"""What the monitor knows of workers beside the hour's history: their last counts, and those that left. Pure.

Times are seconds since 1970, by this process's clock.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from app.announcements import WorkerCounts


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's last counts, heard ``heard_at``; ``leaving`` says why, once it has said that it goes."""

    id: str
    hostname: str
    counts: WorkerCounts
    heard_at: float
    leaving: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what the API tells beside its instance."""
        counts = {"active": self.counts.active, "processed": self.counts.processed}
        return {"hostname": self.hostname, **counts, "leaving": self.leaving}


@dataclass(frozen=True, slots=True)
class Departure:
    """A worker that said ``at`` that it goes: idle, on a notice, asked, or by a signal."""

    id: str
    why: str
    at: float

    def to_json(self) -> dict[str, Any]:
        """Return the form that the API answers with."""
        return asdict(self)
