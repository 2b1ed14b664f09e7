"""What the monitor knows of workers."""

from __future__ import annotations

from app.announcements import WorkerHeartbeat
from web.fleet.sightings import Departure, Worker


def test_a_worker_tells_its_counts_and_why_it_leaves() -> None:
    worker = Worker("i-1", "i-1@host", WorkerHeartbeat(3, 40), 100.0, "notice")
    assert worker.to_json() == {"hostname": "i-1@host", "active": 3, "processed": 40, "leaving": "notice"}
    assert Departure("i-1", "idle", 100.0).to_json() == {"id": "i-1", "why": "idle", "at": 100.0}
