"""Which workers are there, under places rather than names: fleets come and go, and a name that is gone stays for ever.

As many places as workers were ever there at once; whoever comes takes the lowest free one.
"""

from __future__ import annotations

from dataclasses import dataclass

# Workers speak every two seconds, or every thirty where their heartbeats are made fewer.
SILENT_S = 90.0
# What a queue brings in another order is not older than this.
LATE_S = 30.0


@dataclass(slots=True)
class _Worker:
    place: int
    active: int
    heard_at: float


class Workers:
    """The workers that were heard of late. Not safe to share between threads."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}
        self._gone: dict[str, float] = {}

    def counted(self, node: str, active: int, now: float) -> None:
        """Note a worker's sign of life, with the tasks that it has in hand."""
        self._forget(now)
        known = self._workers.get(node)
        if node in self._gone:
            return  # a queue keeps no order: this was said before the goodbye
        if known is None:
            taken = {worker.place for worker in self._workers.values()}
            place = next(number for number in range(1, len(taken) + 2) if number not in taken)
            self._workers[node] = _Worker(place, active, now)
        else:
            known.active, known.heard_at = active, now

    def gone(self, node: str, now: float) -> None:
        """Note that a worker has gone."""
        self._workers.pop(node, None)
        self._gone[node] = now

    def active(self, now: float) -> dict[str, float]:
        """Return the tasks in hand by place."""
        self._forget(now)
        found = sorted(self._workers.values(), key=lambda worker: worker.place)
        return {f"worker-{worker.place}": float(worker.active) for worker in found}

    def _forget(self, now: float) -> None:
        for node in [node for node, worker in self._workers.items() if now - worker.heard_at > SILENT_S]:
            del self._workers[node]
        self._gone = {node: at for node, at in self._gone.items() if now - at <= LATE_S}
