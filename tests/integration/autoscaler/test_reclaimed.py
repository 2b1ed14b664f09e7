"""When spot instances were taken back, on a real bucket: the next autoscaler rests from spot as this one did."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app import aws
from app.settings import Ec2Settings, Settings
from autoscaler.fleet import make_fleet
from autoscaler.listen import Hearing
from autoscaler.reclaimed import KEY, Reclaimed

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TAKEN = {f"i-{number}": NOON - timedelta(minutes=number) for number in range(3)}


@pytest.fixture
def config(config: Settings) -> Settings:
    """Settings of a fleet on spot, from which three interruptions keep it."""
    return replace(config, ec2=Ec2Settings(launch_template="lt-1", spot=True, spot_interruptions=3))


def test_the_next_autoscaler_s_fleet_rests_from_spot(config: Settings) -> None:
    Reclaimed(config).note(TAKEN)

    def resting(now: datetime) -> bool:
        hearing = Hearing(8, lambda: now, Reclaimed(config).begin(now))
        return make_fleet(config, lambda ids: None, hearing, lambda: now).spot_resting

    assert resting(NOON)
    assert not resting(NOON + timedelta(hours=1))


def test_it_is_written_when_there_is_a_new_one(config: Settings) -> None:
    reclaimed = Reclaimed(config)
    reclaimed.note(TAKEN)
    aws.client("s3", config.aws).delete_object(Bucket=config.buckets.output, Key=KEY)
    reclaimed.note(TAKEN)
    assert Reclaimed(config).begin(NOON) == {}
    reclaimed.note({**TAKEN, "i-9": NOON})
    assert Reclaimed(config).begin(NOON) == {**TAKEN, "i-9": NOON}


def test_where_interruptions_do_not_count_nothing_is_kept(config: Settings) -> None:
    Reclaimed(replace(config, ec2=replace(config.ec2, spot_interruptions=0))).note(TAKEN)
    assert Reclaimed(config).begin(NOON) == {}


@pytest.mark.parametrize("body", [b"", b"7", b'{"i-1": "noon"}', b'{"i-1": 1e18}', b'{"i-1": -1}'])
def test_whatever_else_is_there_is_as_nothing(config: Settings, body: bytes) -> None:
    aws.client("s3", config.aws).put_object(Bucket=config.buckets.output, Key=KEY, Body=body)
    assert Reclaimed(config).begin(NOON) == {}


def test_a_bucket_that_does_not_answer_stops_nothing(config: Settings) -> None:
    gone = replace(config, buckets=replace(config.buckets, output="elastiq-nobodys"))
    assert Reclaimed(gone).begin(NOON) == {}
    Reclaimed(gone).note(TAKEN)
