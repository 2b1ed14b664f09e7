"""What the day has cost, on a real bucket: the next autoscaler goes on from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app import aws
from app.settings import Settings
from autoscaler.memory.bill import Bill
from autoscaler.memory.spent import Spent
from autoscaler.spending import KEY, Billing, Spending

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def config(config: Settings) -> Settings:
    """Settings with a budget."""
    return replace(config, autoscaler=replace(config.autoscaler, daily_budget_h=24.0))


def test_the_next_autoscaler_goes_on_from_what_was_spent(config: Settings) -> None:
    assert Spending(config).begin(NOON) == Spent(NOON)
    Spending(config).note(Spent(NOON, 3.25))
    assert Spending(config).begin(NOON + timedelta(hours=1)) == Spent(NOON, 3.25)


def test_it_is_written_once_a_minute(config: Settings) -> None:
    spending = Spending(config)
    for after_s in (0, 30, 59, 61):
        spending.note(Spent(NOON + timedelta(seconds=after_s), after_s))
        kept = Spending(config).begin(NOON + timedelta(hours=1))
        assert kept.hours == (61 if after_s == 61 else 0)


def test_without_a_budget_nothing_is_kept(config: Settings) -> None:
    Spending(replace(config, autoscaler=replace(config.autoscaler, daily_budget_h=0.0))).note(Spent(NOON, 3.25))
    assert Spending(config).begin(NOON) == Spent(NOON)


@pytest.mark.parametrize(
    "body",
    [b"", b"7", b"{}", b'{"until": "noon", "hours": 1}', b'{"until": 1e18, "hours": 1}', b'{"until": 1, "hours": -1}'],
)
def test_whatever_else_is_there_is_as_nothing(config: Settings, body: bytes) -> None:
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=body)
    assert Spending(config).begin(NOON) == Spent(NOON)


def test_a_bucket_that_does_not_answer_stops_nothing(config: Settings) -> None:
    gone = replace(config, buckets=replace(config.buckets, output="elastiq-nobodys"))
    assert Spending(gone).begin(NOON) == Spent(NOON)
    Spending(gone).note(Spent(NOON, 3.25))


def test_the_next_autoscaler_goes_on_with_the_bill_of_the_day_and_with_none_of_another(config: Settings) -> None:
    assert Billing(config).begin(NOON) == Bill(NOON)
    billing = Billing(config)
    billing.note(Bill(NOON, day_usd=1.25))
    billing.note(Bill(NOON + timedelta(seconds=30), day_usd=1.5))
    later = NOON + timedelta(hours=1)
    assert Billing(config).begin(later) == Bill(later, day_usd=1.25), "it is written once a minute"
    tomorrow = NOON + timedelta(days=1)
    assert Billing(config).begin(tomorrow) == Bill(tomorrow)


def test_a_bill_that_could_not_be_written_is_tried_again_though_it_stays_the_same(config: Settings) -> None:
    billing, s3 = Billing(config), aws.client("s3", config.aws)
    s3.delete_bucket(Bucket=config.buckets.output)
    billing.note(Bill(NOON, day_usd=1.25))
    s3.create_bucket(Bucket=config.buckets.output)

    later = NOON + timedelta(minutes=1)
    billing.note(Bill(later, day_usd=1.25))

    assert Billing(config).begin(later) == Bill(later, day_usd=1.25)
