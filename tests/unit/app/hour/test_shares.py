"""What is spent is divided among the images that are done, and nothing of it is lost or counted twice."""

from __future__ import annotations

import json

import pytest

from app.announcements import batches_of
from app.domain import BatchCost, CallCounts, FleetCost
from app.errors import MalformedAnnouncement
from app.fields import Fields
from app.hour.shares import KEPT, TOLD_S, Shares
from app.prices import prices

NOW = 1_800_000_000.0


def spend(
    shares: Shares, total_usd: float, *, idle: bool = False, leader: str = "host:1", hour_usd: float = 0.5
) -> None:
    shares.spent(leader, FleetCost(hour_usd, total_usd + 1, total_usd, "c7i.large"), NOW, idle=idle)


def usd(shares: Shares, batch: str) -> float:
    found = shares.of_batch(batch)
    assert found is not None
    return found.usd


@pytest.fixture
def shares() -> Shares:
    shares = Shares()
    spend(shares, 10.0)
    return shares


def test_what_is_spent_goes_to_the_batches_whose_images_were_done_meanwhile(shares: Shares) -> None:
    for key in ("a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg"):
        shares.finished(key)
    spend(shares, 10.4)
    assert shares.of_batch("a") == BatchCost("a", pytest.approx(0.3), 3)
    assert usd(shares, "b") == pytest.approx(0.1)
    assert shares.of_batch("c") is None


def test_a_start_goes_to_the_images_that_it_was_made_for_and_an_idle_end_to_those_before(shares: Shares) -> None:
    spend(shares, 10.2)  # it boots
    shares.finished("a/1.jpg")
    spend(shares, 10.3)
    assert usd(shares, "a") == pytest.approx(0.3)
    spend(shares, 10.4, idle=True)  # it waits for more, and goes
    assert shares.of_batch("a") == BatchCost("a", pytest.approx(0.4), 1)
    spend(shares, 10.5)  # others are there
    shares.finished("b/1.jpg")
    spend(shares, 10.6)
    assert (usd(shares, "a"), usd(shares, "b")) == (pytest.approx(0.4), pytest.approx(0.2))


def test_calls_of_every_process_are_a_part_of_it_each_counted_once(shares: Shares) -> None:
    for _ in range(2):
        shares.called("i-0aaa@host", CallCounts(s3_put=100, s3_get=100, sqs_call=30, sns_publish=10))
    shares.called("web@host", CallCounts(sqs_call=20))
    shares.finished("a/1.jpg")
    spend(shares, 10.0)
    assert shares.calls == CallCounts(100, 100, 50, 10)
    assert usd(shares, "a") == pytest.approx(prices().of_calls(shares.calls), abs=1e-9)


def test_what_an_idle_system_calls_is_in_no_batch(shares: Shares) -> None:
    shares.finished("a/1.jpg")
    spend(shares, 10.1)
    spend(shares, 10.2, idle=True)
    for hours in range(1, 10):
        shares.called("host:1", CallCounts(sqs_call=5700 * hours))
        spend(shares, 10.2, idle=True, hour_usd=0.0)
    assert usd(shares, "a") == pytest.approx(0.2)
    shares.finished("b/1.jpg")
    spend(shares, 10.3)
    assert usd(shares, "b") == pytest.approx(0.1)


def test_another_autoscaler_begins_at_its_own_nothing(shares: Shares) -> None:
    shares.finished("a/1.jpg")
    spend(shares, 0.0, leader="host:2")
    spend(shares, 0.2, idle=True, leader="host:2")
    assert usd(shares, "a") == pytest.approx(0.2)


def test_what_has_changed_of_late_is_told_and_what_was_kept_is_gone_on_from(shares: Shares) -> None:
    shares.finished("a/1.jpg")
    spend(shares, 10.1)
    assert shares.lately(NOW + TOLD_S) == (BatchCost("a", pytest.approx(0.1), 1),)
    assert shares.lately(NOW + TOLD_S + 1) == ()
    kept = [Fields(one) for one in json.loads(json.dumps(shares.to_json()))]
    other = Shares()
    spend(other, 0.0, leader="host:2")
    other.learn(batches_of(kept), NOW)
    other.finished("a/2.jpg")
    spend(other, 0.3, leader="host:2")
    assert other.of_batch("a") == BatchCost("a", pytest.approx(0.4), 2)
    other.learn(batches_of(kept), NOW)
    assert usd(other, "a") == pytest.approx(0.4), "what is older changes nothing"
    with pytest.raises(MalformedAnnouncement):
        batches_of([Fields({"id": "a", "usd": "1", "images": 1})])


def test_so_many_batches_are_remembered(shares: Shares) -> None:
    shares.learn([BatchCost(str(number), 1.0, 1) for number in range(2 * KEPT)], NOW)
    assert len(shares.to_json()) == KEPT
    assert shares.of_batch("0") is None
