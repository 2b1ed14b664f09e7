"""What images cost, in dollars: hosts, as the autoscaler has them billed, and the calls of every process.

The autoscaler shares it out among batches, keeps that, and says so; what all of it comes to is counted here, of what
was heard since this process began.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from prometheus_client.metrics_core import Metric

from app.announcements import CallsMade, Said, ScalingDecided, batches_of
from app.domain import BatchCost, CallCounts
from app.fields import Fields
from app.hour.shares import KEPT, Shares
from app.prices import prices
from app.telemetry.families import counter, counters, gauge


class Costs:
    """Adds up what is heard. Safe to share between threads.

    Args:
        made: returns what this process has called so far.
        tell: announces that to the others.
    """

    def __init__(self, made: Callable[[], CallCounts], tell: Callable[[CallsMade], object]) -> None:
        self._made, self._tell = made, tell
        self._told = CallCounts()
        self._lock = threading.Lock()
        self._shares = Shares()
        self._batches: OrderedDict[str, BatchCost] = OrderedDict()

    def finished(self, key: str) -> None:
        """Take note that an image has got its outcome."""
        with self._lock:
            self._shares.finished(key)

    def hear(self, said: Said) -> None:
        """Take note of what is said of costs; when an autoscaler speaks, say what this process has called itself."""
        if isinstance(said.what, CallsMade):
            with self._lock:
                self._shares.called(said.node, said.what.calls)
        elif isinstance(said.what, ScalingDecided) and said.what.cost is not None:
            cost = said.what.cost
            with self._lock:
                self._shares.called(said.node, cost.calls)
                self._shares.spent(said.what.leader, cost, said.at, idle=not said.what.depth.total)
                self._learn(cost.batches)
            self._say()

    def adopt(self, batches: list[Fields]) -> None:
        """Take over what the autoscaler has kept of batches; what it has said since is newer.

        Raises:
            MalformedAnnouncement: it is something else.
        """
        kept = batches_of(batches)
        with self._lock:
            said, self._batches = self._batches, OrderedDict()
            self._learn(kept)
            self._learn(said.values())

    def view(self) -> dict[str, Any] | None:
        """Return what is known, as the API answers with; None before an autoscaler has said anything."""
        with self._lock:
            cost, calls, images = self._shares.cost, self._shares.calls, self._shares.images
            hosts_usd = self._shares.hosts_usd
        if cost is None:
            return None
        calls_usd = prices().of_calls(calls)
        return {
            "now_usd_per_hour": round(cost.hour_usd, 6),
            "hosts_today_usd": round(cost.day_usd, 6),
            "hosts_usd": round(hosts_usd, 6),
            "calls_usd": round(calls_usd, 6),
            "calls": asdict(calls),
            "images": images,
            "thousand_images_usd": round(1000 * (hosts_usd + calls_usd) / images, 6) if images else None,
            "priced_as": cost.priced_as,
            "prices_as_of": prices().as_of,
        }

    def of_batch(self, id: str) -> dict[str, Any] | None:
        """Return what a batch has cost so far; None where no autoscaler has said."""
        with self._lock:
            batch = self._batches.get(id)
        if batch is None or not batch.images:
            return None
        thousand_usd = round(1000 * batch.usd / batch.images, 6)
        return {"usd": round(batch.usd, 6), "images": batch.images, "thousand_images_usd": thousand_usd}

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

    def _learn(self, batches: Any) -> None:
        for batch in batches:
            self._batches[batch.id] = batch
            self._batches.move_to_end(batch.id)
        while len(self._batches) > KEPT:
            self._batches.popitem(last=False)

    def _say(self) -> None:
        """Tell the others what this process has called, if it has stored anything since the last time."""
        made = self._made()
        if made.s3_put != self._told.s3_put:
            self._told = made
            self._tell(CallsMade(made))
