"""What images cost, in dollars: hosts, as the autoscaler has them billed, and the calls of every process.

What is spent between two words of the autoscaler goes to the batches whose images were done meanwhile; where none was,
to those that are done next, or, while nothing waits, to those that were done last. It is made of events, so what was
spent while this process did not listen is not in it.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from prometheus_client.metrics_core import Metric

from app.announcements import CallsMade, Said, ScalingDecided
from app.domain import CallCounts, FleetCost
from app.prices import prices
from app.telemetry.families import counter, counters, gauge

# Batches, and nodes, that are remembered.
KEPT = 1000


class Costs:
    """Adds up and divides. Safe to share between threads.

    Args:
        own: returns what this process has called so far.
    """

    def __init__(self, own: Callable[[], CallCounts]) -> None:
        self._own = own
        self._lock = threading.Lock()
        self._told: OrderedDict[str, CallCounts] = OrderedDict()
        self._leader: tuple[str, FleetCost] | None = None
        self._hosts_usd, self._calls = 0.0, Counter[str]()
        self._undivided_usd = 0.0
        self._finished: Counter[str] = Counter()
        self._last: Counter[str] = Counter()
        self._images = 0
        # Dollars and images of each batch.
        self._batches: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def finished(self, key: str) -> None:
        """Take note that an image has got its outcome."""
        with self._lock:
            self._finished[key.partition("/")[0]] += 1
            self._images += 1

    def hear(self, said: Said) -> None:
        """Take note of what an autoscaler or a worker says of costs; anything else is passed over."""
        with self._lock:
            if isinstance(said.what, CallsMade):
                self._call(said.node, said.what.calls)
            elif isinstance(said.what, ScalingDecided) and said.what.cost is not None:
                self._call(said.node, said.what.cost.calls)
                self._call("", self._own())
                self._spend(said.what.leader, said.what.cost, idle=not said.what.depth.total)

    def view(self) -> dict[str, Any] | None:
        """Return what is known, as the API answers with; None before an autoscaler has said anything."""
        with self._lock:
            if self._leader is None:
                return None
            cost, calls = self._leader[1], CallCounts(**self._calls)
            calls_usd = prices().of_calls(calls)
            spent = self._hosts_usd + calls_usd
            return {
                "now_usd_per_hour": round(cost.hour_usd, 6),
                "hosts_today_usd": round(cost.day_usd, 6),
                "hosts_usd": round(self._hosts_usd, 6),
                "calls_usd": round(calls_usd, 6),
                "calls": asdict(calls),
                "images": self._images,
                "thousand_images_usd": round(1000 * spent / self._images, 6) if self._images else None,
                "priced_as": cost.priced_as,
                "prices_as_of": prices().as_of,
            }

    def of_batch(self, id: str) -> dict[str, Any] | None:
        """Return what a batch has cost so far; None where nothing of it was done while this process listened."""
        with self._lock:
            if id not in self._batches:
                return None
            usd, images = self._batches[id]
            return {"usd": round(usd, 6), "images": images, "thousand_images_usd": round(1000 * usd / images, 6)}

    def metrics(self) -> Iterator[Metric]:
        """Yield what Prometheus is told."""
        view = self.view()
        if view is None:
            return
        now = "Dollars for an hour of the hosts that are there."
        yield gauge("elastiq_cost_usd_per_hour", now, view["now_usd_per_hour"])
        yield gauge("elastiq_cost_hosts_today_usd", "Dollars for hosts on this day, UTC.", view["hosts_today_usd"])
        yield counter("elastiq_cost_hosts_usd", "Dollars for hosts, since this process listens.", view["hosts_usd"])
        yield counter("elastiq_cost_calls_usd", "Dollars for calls, since this process listens.", view["calls_usd"])
        yield counters("elastiq_billed_calls", "Calls that AWS bills, of all processes.", "kind", view["calls"])

    def _call(self, node: str, calls: CallCounts) -> None:
        """Add what a process has called since it said so last; the first time, all of it: it has just begun."""
        before = asdict(self._told.pop(node, CallCounts()))
        self._told[node] = calls
        while len(self._told) > KEPT:
            self._told.popitem(last=False)
        more = {kind: max(0, number - before[kind]) for kind, number in asdict(calls).items()}
        self._calls.update(more)
        self._undivided_usd += prices().of_calls(CallCounts(**more))

    def _spend(self, leader: str, cost: FleetCost, *, idle: bool) -> None:
        before = self._leader[1].total_usd if self._leader and self._leader[0] == leader else cost.total_usd
        self._leader = leader, cost
        more = max(0.0, cost.total_usd - before)
        self._hosts_usd += more
        self._undivided_usd += more
        if self._finished:
            self._divide(self._finished)
            self._last, self._finished = self._finished, Counter()
        elif idle and self._last:
            self._divide(self._last, again=True)

    def _divide(self, among: Counter[str], *, again: bool = False) -> None:
        each = self._undivided_usd / among.total()
        self._undivided_usd = 0.0
        for batch, count in among.items():
            usd, images = self._batches.pop(batch, (0.0, 0))
            self._batches[batch] = usd + each * count, images + (0 if again else count)
        while len(self._batches) > KEPT:
            self._batches.popitem(last=False)
