"""What is spent, shared out among the batches whose images were done meanwhile. Pure; it remembers what it was told.

A start goes to those that are done next; an idle end, while any host is billed, to those that were done last. What an
idle system calls is in no batch.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from app.domain import BatchCost, CallCounts, FleetCost, batch_of
from app.prices import prices

# Batches, and nodes, that are remembered.
KEPT = 1000
# A batch's cost is told for so long after it changed, in seconds, and of so many batches at a time.
TOLD_S, TOLD = 30.0, 100


class Shares:
    """Adds up and divides. Not safe to share between threads.

    Attributes:
        cost: what an autoscaler said last; None before one has.
        hosts_usd: dollars for hosts since this one listens.
        calls: those of every process since then.
        images: those that were done since then.
    """

    def __init__(self) -> None:
        self.cost: FleetCost | None = None
        self.hosts_usd, self.images = 0.0, 0
        self._calls: Counter[str] = Counter()
        self._told: OrderedDict[str, CallCounts] = OrderedDict()
        self._leader = ""
        self._undivided_usd = 0.0
        self._finished: Counter[str] = Counter()
        self._last: Counter[str] = Counter()
        # Each with when it changed.
        self._batches: OrderedDict[str, tuple[BatchCost, float]] = OrderedDict()

    @property
    def calls(self) -> CallCounts:
        """Return the calls of every process since this one listens."""
        return CallCounts(**self._calls)

    def finished(self, key: str) -> None:
        """Take note that an image has got its outcome."""
        self._finished[batch_of(key)] += 1
        self.images += 1

    def called(self, node: str, calls: CallCounts) -> None:
        """Add what a process has called since it said so last; the first time, all of it: it has just begun."""
        before = asdict(self._told.pop(node, CallCounts()))
        self._told[node] = calls
        while len(self._told) > KEPT:
            self._told.popitem(last=False)
        more = {kind: max(0, number - before[kind]) for kind, number in asdict(calls).items()}
        self._calls.update(more)
        self._undivided_usd += prices().of_calls(CallCounts(**more))

    def spent(self, leader: str, cost: FleetCost, now: float, *, idle: bool) -> None:
        """Share out what was spent since the last time.

        Args:
            leader: whose word it is; each autoscaler counts from its own start.
            cost: its word.
            now: the time, in seconds since 1970.
            idle: whether nothing waits.
        """
        before = self.cost.total_usd if self.cost and self._leader == leader else cost.total_usd
        self._leader, self.cost = leader, cost
        more = max(0.0, cost.total_usd - before)
        self.hosts_usd += more
        self._undivided_usd += more
        if self._finished:
            self._divide(self._finished, now)
            self._last, self._finished = self._finished, Counter()
        elif idle and not cost.hour_usd and not more:
            self._undivided_usd, self._last = 0.0, Counter()
        elif idle and self._last:
            self._divide(self._last, now, again=True)

    def of_batch(self, id: str) -> BatchCost | None:
        """Return what a batch has cost so far; None where nothing of it was done."""
        known = self._batches.get(id)
        return known[0] if known else None

    def lately(self, now: float) -> tuple[BatchCost, ...]:
        """Return the batches whose costs have changed of late."""
        changed = [batch for batch, at in self._batches.values() if now - at <= TOLD_S]
        return tuple(changed[-TOLD:])

    def to_json(self) -> list[dict[str, Any]]:
        """Return what `app.announcements.batches_of` reads."""
        return [asdict(batch) for batch, _ in self._batches.values()]

    def learn(self, batches: Iterable[BatchCost], now: float) -> None:
        """Take over what another one says of batches; the greater sum is the later one."""
        for batch in batches:
            known = self.of_batch(batch.id)
            if known is None or known.usd <= batch.usd:
                self._keep(batch, now)

    def _divide(self, among: Counter[str], now: float, *, again: bool = False) -> None:
        each = self._undivided_usd / among.total()
        self._undivided_usd = 0.0
        for id, count in among.items():
            known = self.of_batch(id) or BatchCost(id, 0.0, 0)
            self._keep(BatchCost(id, known.usd + each * count, known.images + (0 if again else count)), now)

    def _keep(self, batch: BatchCost, now: float) -> None:
        self._batches[batch.id] = batch, now
        self._batches.move_to_end(batch.id)
        while len(self._batches) > KEPT:
            self._batches.popitem(last=False)
