"""What web knows of costs: what the autoscaler says of batches, and sums of what was heard."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from app.announcements import CallsMade, Said
from app.domain import BatchCost, CallCounts, FleetCost, QueueDepth
from app.fields import Fields
from app.prices import prices
from app.telemetry.families import Asked
from tests.support.fleet import decision
from web.fleet.costs import Costs

BATCH = BatchCost("a", 0.3, 3)


class Web:
    """One process's costs, what it has called and what it has told."""

    def __init__(self) -> None:
        self.made = CallCounts()
        self.told: list[CallsMade] = []
        self.costs = Costs(lambda: self.made, self.told.append)

    def hear(self, total_usd: float, **changes: Any) -> None:
        cost = FleetCost(0.5, total_usd + 1, total_usd, "c7i.large", **changes)
        self.costs.hear(Said(decision(cost=cost, depth=QueueDepth(5, 0)), "host:1", 1.0))


@pytest.fixture
def web() -> Web:
    web = Web()
    web.hear(10.0)
    return web


def test_nothing_is_known_before_an_autoscaler_has_said_it() -> None:
    costs = Web().costs
    assert costs.view() is None
    assert list(costs.metrics()) == []
    costs.hear(Said(decision(cost=None), "host:1", 1.0))
    assert costs.view() is None
    assert costs.of_batch("a") is None


def test_a_batch_has_cost_what_the_autoscaler_says_in_every_process(web: Web) -> None:
    other = Web()
    for one in (web, other):
        one.hear(10.4, batches=(BATCH,))
    assert web.costs.of_batch("a") == {"usd": 0.3, "images": 3, "thousand_images_usd": 100.0}
    assert other.costs.of_batch("a") == web.costs.of_batch("a")


def test_a_process_that_begins_knows_what_was_kept_and_what_was_said_since_is_newer() -> None:
    web = Web()
    web.hear(0.1, batches=(BATCH,))
    kept = [Fields({"id": "a", "usd": 0.1, "images": 1}), Fields({"id": "b", "usd": 0.2, "images": 1})]
    web.costs.adopt(kept)
    found = {id: web.costs.of_batch(id) for id in ("a", "b", "c")}
    assert found["a"] == {"usd": 0.3, "images": 3, "thousand_images_usd": 100.0}
    assert found["b"] == {"usd": 0.2, "images": 1, "thousand_images_usd": 200.0}
    assert found["c"] is None


def test_what_this_process_has_called_is_told_when_the_autoscaler_speaks_if_it_has_stored_anything(web: Web) -> None:
    web.made = CallCounts(sqs_call=5)
    web.hear(10.0)
    assert web.told == []
    web.made = CallCounts(s3_put=1, sqs_call=6)
    web.hear(10.0)
    web.hear(10.0)
    assert web.told == [CallsMade(web.made)]


def test_the_sums_are_of_hosts_and_the_calls_of_every_process(web: Web) -> None:
    calls = CallCounts(s3_put=100, s3_get=100, sqs_call=30, sns_publish=10)
    for _ in range(2):
        web.costs.hear(Said(CallsMade(calls), "i-0aaa@host", 1.0))
    web.costs.finished("a/1.jpg")
    web.hear(10.25, calls=CallCounts(sqs_call=20))
    view = web.costs.view()
    assert view is not None
    assert view["calls"] == {"s3_put": 100, "s3_get": 100, "sqs_call": 50, "sns_publish": 10}
    assert view["calls_usd"] == pytest.approx(prices().of_calls(CallCounts(100, 100, 50, 10)), abs=1e-6)
    assert (view["hosts_usd"], view["images"]) == (0.25, 1)
    assert view["thousand_images_usd"] == pytest.approx(1000 * (0.25 + view["calls_usd"]), abs=1e-2)


def test_prometheus_is_told_and_no_batch_is_a_label(web: Web) -> None:
    registry = CollectorRegistry()
    Asked(registry, web.costs.metrics)
    web.costs.finished("a/1.jpg")
    web.hear(10.5, batches=(BATCH,))
    assert registry.get_sample_value("elastiq_cost_usd_per_hour") == 0.5
    assert registry.get_sample_value("elastiq_cost_hosts_usd_total") == 0.5
    assert registry.get_sample_value("elastiq_billed_calls_total", {"kind": "s3_put"}) == 0
    labels = {name for family in registry.collect() for sample in family.samples for name in sample.labels}
    assert labels == {"kind"}
