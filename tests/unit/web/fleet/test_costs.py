"""What is spent is divided among the images that are done, and nothing of it is lost or counted twice."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from app.announcements import CallsMade, Said
from app.domain import CallCounts, FleetCost, QueueDepth
from app.prices import prices
from app.telemetry.families import Asked
from tests.support.fleet import decision
from web.fleet.costs import Costs

BUSY, IDLE = QueueDepth(5, 0), QueueDepth(0, 0)


def spent(total_usd: float, depth: QueueDepth = BUSY, leader: str = "host:1", calls: CallCounts | None = None) -> Said:
    cost = FleetCost(0.5, total_usd + 1, total_usd, "c7i.large", calls or CallCounts())
    return Said(decision(cost=cost, leader=leader, depth=depth), leader, 1.0)


def usd(costs: Costs, batch: str) -> float:
    found = costs.of_batch(batch)
    assert found is not None
    return float(found["usd"])


@pytest.fixture
def costs() -> Costs:
    costs = Costs(CallCounts)
    costs.hear(spent(10.0))
    return costs


def test_nothing_is_known_before_an_autoscaler_has_said_it() -> None:
    costs = Costs(CallCounts)
    assert costs.view() is None
    assert list(costs.metrics()) == []
    costs.hear(Said(decision(cost=None), "host:1", 1.0))
    assert costs.view() is None
    assert costs.of_batch("a") is None


def test_what_is_spent_goes_to_the_batches_whose_images_were_done_meanwhile(costs: Costs) -> None:
    for key in ("a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg"):
        costs.finished(key)
    costs.hear(spent(10.4))
    assert costs.of_batch("a") == {"usd": 0.3, "images": 3, "thousand_images_usd": 100.0}
    assert usd(costs, "b") == 0.1


def test_a_start_goes_to_the_images_that_it_was_made_for_and_an_idle_end_to_those_before(costs: Costs) -> None:
    costs.hear(spent(10.2))  # it boots
    costs.finished("a/1.jpg")
    costs.hear(spent(10.3))
    assert usd(costs, "a") == pytest.approx(0.3)
    costs.hear(spent(10.4, IDLE))  # it waits for more, and goes
    assert costs.of_batch("a") == {"usd": pytest.approx(0.4), "images": 1, "thousand_images_usd": pytest.approx(400)}
    costs.hear(spent(10.5))  # others are there
    costs.finished("b/1.jpg")
    costs.hear(spent(10.6))
    assert (usd(costs, "a"), usd(costs, "b")) == (pytest.approx(0.4), pytest.approx(0.2))


def test_calls_of_every_process_are_a_part_of_it_each_counted_once(costs: Costs) -> None:
    worker = Said(CallsMade(CallCounts(s3_put=100, s3_get=100, sqs_call=30, sns_publish=10)), "i-0aaa@host", 1.0)
    costs.hear(worker)
    costs.hear(worker)
    costs.finished("a/1.jpg")
    costs.hear(spent(10.0, calls=CallCounts(sqs_call=20)))

    view = costs.view()
    assert view is not None
    assert view["calls"] == {"s3_put": 100, "s3_get": 100, "sqs_call": 50, "sns_publish": 10}
    wanted = prices().of_calls(CallCounts(100, 100, 50, 10))
    assert view["calls_usd"] == pytest.approx(wanted, abs=1e-6)
    assert usd(costs, "a") == pytest.approx(wanted, abs=1e-6)


def test_another_autoscaler_begins_at_its_own_nothing(costs: Costs) -> None:
    costs.finished("a/1.jpg")
    costs.hear(spent(0.0, leader="host:2"))
    costs.hear(spent(0.2, IDLE, leader="host:2"))
    assert usd(costs, "a") == pytest.approx(0.2)


def test_prometheus_is_told_and_no_batch_is_a_label(costs: Costs) -> None:
    registry = CollectorRegistry()
    Asked(registry, costs.metrics)
    costs.finished("a/1.jpg")
    costs.hear(spent(10.5))
    assert registry.get_sample_value("elastiq_cost_usd_per_hour") == 0.5
    assert registry.get_sample_value("elastiq_cost_hosts_usd_total") == 0.5
    assert registry.get_sample_value("elastiq_billed_calls_total", {"kind": "s3_put"}) == 0
    labels = {name for family in registry.collect() for sample in family.samples for name in sample.labels}
    assert labels == {"kind"}
